"""Rows sorted by a key, on disk, so that any number of them takes the memory of one part."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

# Entries of a part, which is sorted in memory: about 50 MB while that is done.
PART = 2**20
MOST_PARTS = 128
_ENTRY = np.dtype([("key", "<u8"), ("row", "<u4")])
ENTRY_BYTES = _ENTRY.itemsize

Keys = NDArray[np.uint64]
Rows = NDArray[np.uint32]


class Buckets:
    """Entries of a key and a row, in files of `folder` by the first bits of the key.

    `expected` entries make as many parts as memory asks for. Use it in a `with` block while adding.
    """

    def __init__(self, folder: Path, expected: int) -> None:
        parts = min(MOST_PARTS, -(-expected // PART)) or 1
        self._paths = [folder / f"part-{number}" for number in range(parts)]

    def __enter__(self) -> Buckets:
        self._open = ExitStack()
        self._files = [self._open.enter_context(path.open("wb", buffering=0)) for path in self._paths]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def add(self, keys: Keys, rows: Rows) -> None:
        """Add entries; those with equal keys keep the order in which they came."""
        entries = np.empty(len(keys), _ENTRY)
        entries["key"], entries["row"] = keys, rows
        if len(self._files) == 1:
            self._files[0].write(entries.tobytes())
            return
        parts = ((keys >> np.uint64(48)) * np.uint64(len(self._files)) >> np.uint64(16)).astype(np.uint8)
        entries = entries[np.argsort(parts, kind="stable")]
        ends = np.cumsum(np.bincount(parts, minlength=len(self._files)))
        for file, portion in zip(self._files, np.split(entries, ends[:-1]), strict=True):
            file.write(portion.tobytes())

    def parts(self) -> Iterator[tuple[Keys, Rows]]:
        """Each part's keys in ascending order, and their rows; equal keys are never in two parts.

        A part's file is removed when it has been read.
        """
        for path in self._paths:
            entries = np.fromfile(path, _ENTRY)
            path.unlink()
            order = np.argsort(entries["key"], kind="stable")
            yield entries["key"][order], entries["row"][order]
