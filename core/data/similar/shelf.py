"""Sketches in a file, in the order in which they came; read in order, or a few from anywhere."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.data.similar.sketch import SKETCH, SKETCH_BYTES, Sketches

_CHUNK = 2**14
_PENDING_BYTES = 2**20
# The system maps up to some hundred KiB around each sketch that is read: our memory until it is let go.
_MAPPED = 2**6

Rows = NDArray[np.uint32]


class Shelf:
    """A file of sketches, empty at first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._path.write_bytes(b"")
        self._pending = bytearray()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, sketch: bytes) -> None:
        """Put a sketch at the end."""
        if len(sketch) != SKETCH_BYTES:
            raise ValueError(f"a sketch has {SKETCH_BYTES} bytes, not {len(sketch)}")
        self._pending += sketch
        self._count += 1
        if len(self._pending) >= _PENDING_BYTES:
            self._flush()

    def chunks(self) -> Iterator[tuple[Rows, Sketches]]:
        """All sketches in order, some at a time, and their rows."""
        self._flush()
        with open(self._path, "rb") as file:
            for start in range(0, self._count, _CHUNK):
                sketches = np.frombuffer(file.read(_CHUNK * SKETCH_BYTES), SKETCH)
                yield np.arange(start, start + len(sketches), dtype=np.uint32), sketches

    def pick(self, rows: Rows) -> Sketches:
        """The sketches of `rows`, best in ascending order."""
        self._flush()
        picked = np.empty(len(rows), SKETCH)
        if not len(rows):
            return picked
        with open(self._path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            everything = np.frombuffer(mapped, SKETCH)
            for start in range(0, len(rows), _MAPPED):
                picked[start : start + _MAPPED] = everything[rows[start : start + _MAPPED]]
                mapped.madvise(mmap.MADV_DONTNEED)
            # A mapping cannot be closed while an array looks into it.
            del everything
        return picked

    def _flush(self) -> None:
        if self._pending:
            with open(self._path, "ab") as file:
                file.write(self._pending)
            self._pending.clear()
