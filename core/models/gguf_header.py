"""The header of a GGUF file: metadata and the list of tensors, without the weights.

Layout (llama.cpp's docs/gguf.md), little endian: magic "GGUF", version, number of
tensors and of metadata entries; the entries; for each tensor its name, shape, type and
offset; padding; the weights. `gguf.GGUFReader` reads the same, but takes seconds for the
lists of a vocabulary, which are passed over here.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunery.errors import BrokenIntegrity

# Value type -> struct code; 8 is a string, 9 a list.
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _LIST = 8, 9


@dataclass(frozen=True)
class TensorInfo:
    """One tensor: its ggml type such as "Q8_0", its shape, and where its bytes lie after the header."""

    name: str
    type: str
    shape: tuple[int, ...]
    offset: int
    size_bytes: int
    weights: int


@dataclass(frozen=True)
class GgufHeader:
    """`metadata` has every plain value of the file; lists are left out."""

    metadata: dict[str, Any]
    tensors: tuple[TensorInfo, ...]


def read_header(path: Path) -> GgufHeader:
    """Read the header. Raises BrokenIntegrity when the file is no GGUF or ends before its last tensor."""
    with open(path, "rb") as handle:
        if handle.read(4) != b"GGUF":
            raise BrokenIntegrity(f"{path} does not begin as a GGUF file does; make the export again")
        with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as raw:
            try:
                return _parse(_Cursor(raw), path)
            except (struct.error, IndexError, KeyError, ValueError, OverflowError):
                raise _too_short(path, len(raw)) from None


def _parse(cursor: _Cursor, path: Path) -> GgufHeader:
    cursor.place = 4
    version, tensors, entries = cursor.take("I"), cursor.take("Q"), cursor.take("Q")
    if version not in (2, 3):
        raise BrokenIntegrity(
            f"{path} is GGUF version {version}, and only 2 and 3 are known; convert it again"
        )
    metadata: dict[str, Any] = {}
    for _ in range(entries):
        key = cursor.text()
        value = cursor.value(cursor.take("I"))
        if value is not None:
            metadata[key] = value
    infos = tuple(_tensor(cursor) for _ in range(tensors))
    alignment = int(metadata.get("general.alignment", 32))
    start = -(-cursor.place // alignment) * alignment
    if any(start + info.offset + info.size_bytes > len(cursor.raw) for info in infos):
        raise _too_short(path, len(cursor.raw))
    return GgufHeader(metadata, infos)


def _tensor(cursor: _Cursor) -> TensorInfo:
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

    name = cursor.text()
    shape = tuple(cursor.take("Q") for _ in range(cursor.take("I")))
    kind, offset = GGMLQuantizationType(cursor.take("I")), cursor.take("Q")
    weights = 1
    for length in shape:
        weights *= length
    block, block_bytes = GGML_QUANT_SIZES[kind]
    return TensorInfo(name, kind.name, shape, offset, weights // block * block_bytes, weights)


def _too_short(path: Path, size: int) -> BrokenIntegrity:
    return BrokenIntegrity(f"{path} is damaged or ends too early ({size} bytes); make the export again")


class _Cursor:
    """Reads values one after another; raises struct.error or IndexError past the end."""

    def __init__(self, raw: mmap.mmap) -> None:
        self.raw = raw
        self.place = 0

    def take(self, code: str) -> Any:
        found = struct.unpack_from(f"<{code}", self.raw, self.place)[0]
        self.place += struct.calcsize(f"<{code}")
        return found

    def text(self) -> str:
        length = self.take("Q")
        if self.place + length > len(self.raw):
            raise IndexError
        found = self.raw[self.place : self.place + length]
        self.place += length
        return found.decode("utf-8", "replace")

    def value(self, kind: int) -> Any:
        """A plain value, or None after passing over a list."""
        if kind == _STRING:
            return self.text()
        if kind != _LIST:
            return self.take(_SCALARS[kind])
        inside, count = self.take("I"), self.take("Q")
        if inside == _STRING:
            self._skip_texts(count)
        elif inside == _LIST:
            raise ValueError
        else:
            self.place += count * struct.calcsize(f"<{_SCALARS[inside]}")
        return None

    def _skip_texts(self, count: int) -> None:
        read, place, raw = struct.Struct("<Q").unpack_from, self.place, self.raw
        for _ in range(count):
            place += 8 + read(raw, place)[0]
        self.place = place
