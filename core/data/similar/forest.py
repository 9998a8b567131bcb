"""Which rows belong together: the representative of each row, in a file of four bytes a row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_CHUNK = 2**16

Rows = NDArray[np.uint32]


class Forest:
    """Groups of the rows 0 to `count` - 1, each alone at first. The earliest row represents its group.

    Every row points to an earlier row of its group, the representative to itself. The
    file is mapped, so the system keeps of it what it has room for.
    """

    def __init__(self, path: Path, count: int) -> None:
        self._count = count
        self._parent = np.memmap(path, dtype="<u4", mode="w+", shape=(count,))
        for start in range(0, count, _CHUNK):
            stop = min(start + _CHUNK, count)
            self._parent[start:stop] = np.arange(start, stop, dtype=np.uint32)

    def representatives(self, rows: Rows) -> Rows:
        """The representative of each of `rows`."""
        at: Rows = self._parent[rows]
        while True:
            above = self._parent[at]
            if np.array_equal(above, at):
                return at
            # Each look shortens the way of the next one.
            self._parent[rows] = above
            at = above

    def unite(self, left: Rows, right: Rows) -> None:
        """Join the groups of the rows at equal positions."""
        while len(left):
            left, right = self.representatives(left), self.representatives(right)
            apart = left != right
            left, right = left[apart], right[apart]
            # A group joined to several at once goes to the earliest; the rest are joined in the next round.
            np.minimum.at(self._parent, np.maximum(left, right), np.minimum(left, right))

    def followers(self) -> Iterator[tuple[int, int]]:
        """(row, representative), ascending by row, of all rows that do not represent themselves."""
        for start in range(0, self._count, _CHUNK):
            rows = np.arange(start, min(start + _CHUNK, self._count), dtype=np.uint32)
            leads = self.representatives(rows)
            follow = leads != rows
            yield from zip(rows[follow].tolist(), leads[follow].tolist(), strict=True)
