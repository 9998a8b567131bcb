"""Groups of rows that are nearly the same, found among any number of sketches in little memory.

Rows whose sketches are equal are one group from the start, so that a text that stands in
100,000 rows costs no more than one that stands in two. The others are candidates where they
agree in a band of slots, and near-duplicates where the sketches say that they are similar
enough. Of rows that share a band with many (a template sentence), only some are compared:
with the first of them, and with those that agree best in the following slots.

On disk: SKETCH_BYTES a row for good, and during a search 12 bytes for each band (about 250 a
row at a similarity of 0.8) and 5 bytes for its group.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from core.data.similar.buckets import ENTRY_BYTES, MOST_PARTS, PART, Buckets
from core.data.similar.forest import Forest
from core.data.similar.sketch import SKETCH, SKETCH_BYTES, SLOTS, Sketches, similarities
from tunery.files import need_room

# Bands are as wide as finds this share of the pairs that are just similar enough.
RECALL = 0.995
# With how many of its bucket a row is compared, beside the first: all of a bucket that is no larger.
NEIGHBOURS = 8
_CHUNK = 2**14
_PENDING_BYTES = 2**20
_ORDER_BITS = np.uint64(16)
_FACTOR = np.uint64(0x9E3779B97F4A7C15)

Keys = NDArray[np.uint64]
Rows = NDArray[np.uint32]


class NearDuplicates:
    """Takes sketches one by one and keeps them in `folder`, which must be empty or new."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._path = folder / "sketches"
        self._path.write_bytes(b"")
        self._pending = bytearray()
        self._count = 0

    def add(self, sketch: bytes) -> int:
        """Keep a sketch; returns its ordinal, from 0."""
        if len(sketch) != SKETCH_BYTES:
            raise ValueError(f"a sketch has {SKETCH_BYTES} bytes, not {len(sketch)}")
        self._pending += sketch
        if len(self._pending) >= _PENDING_BYTES:
            self._flush()
        self._count += 1
        return self._count - 1

    def groups(self, similarity: float) -> Iterator[tuple[int, int]]:
        """(ordinal, representative), ascending, of each row whose group has an earlier row.

        A group is all rows that are connected by pairs of at least `similarity`, above 0 to
        1; the representative is its earliest row. Raises NoRoom when the disk is too full.
        """
        self._flush()
        if not self._count:
            return
        bands, width = bands_for(similarity)
        # Wide searches go over the sketches several times, so that a part never outgrows the memory.
        at_once = max(1, min(bands, MOST_PARTS * PART // self._count))
        need_room(self._folder, self._count * (ENTRY_BYTES * at_once + 5), "the search for near-duplicates")
        with TemporaryDirectory(dir=self._folder, prefix="search-") as name:
            folder = Path(name)
            forest = Forest(folder / "groups", self._count)
            self._unite_equal(folder, forest)
            distinct = self._distinct(folder, forest)
            for start in range(0, bands, at_once):
                buckets = self._banded(folder, distinct, range(start, min(start + at_once, bands)), width)
                self._unite_similar(buckets, forest, similarity)
            yield from forest.followers()

    def _flush(self) -> None:
        with open(self._path, "ab") as file:
            file.write(self._pending)
        self._pending.clear()

    def _chunks(self) -> Iterator[tuple[Rows, Sketches]]:
        with open(self._path, "rb") as file:
            for start in range(0, self._count, _CHUNK):
                sketches = np.frombuffer(file.read(_CHUNK * SKETCH_BYTES), SKETCH)
                yield np.arange(start, start + len(sketches), dtype=np.uint32), sketches

    def _unite_equal(self, folder: Path, forest: Forest) -> None:
        with Buckets(folder, self._count) as buckets:
            for rows, sketches in self._chunks():
                buckets.add(_whole_keys(sketches), rows)
        for keys, rows in buckets.parts():
            forest.unite(rows[_firsts(keys)], rows)

    def _distinct(self, folder: Path, forest: Forest) -> NDArray[np.bool_]:
        """Of rows with equal sketches, the first: it stands for all of them in the search."""
        distinct = np.memmap(folder / "distinct", dtype=np.bool_, mode="w+", shape=(self._count,))
        for rows, _ in self._chunks():
            distinct[rows] = forest.representatives(rows) == rows
        return distinct

    def _banded(self, folder: Path, distinct: NDArray[np.bool_], bands: range, width: int) -> Buckets:
        """The distinct rows by what their slots are in each of `bands`."""
        with Buckets(folder, self._count * len(bands)) as buckets:
            for rows, sketches in self._chunks():
                chosen = distinct[rows]
                rows, slots = rows[chosen], sketches["slots"][chosen]
                keys = [_band_keys(slots, band, width) for band in bands]
                buckets.add(np.concatenate(keys), np.tile(rows, len(bands)))
        return buckets

    def _unite_similar(self, buckets: Buckets, forest: Forest, similarity: float) -> None:
        with open(self._path, "rb") as file:
            for keys, rows in buckets.parts():
                for left, right in _candidates(keys, rows):
                    left, right = _in_two_groups(forest, left, right)
                    near = _compare(file.fileno(), left, right) >= similarity
                    forest.unite(left[near], right[near])


def bands_for(similarity: float) -> tuple[int, int]:
    """How many bands of how many slots find RECALL of the pairs of exactly this similarity.

    The widest bands that do: the wider, the fewer rows are compared in vain.
    """
    for width in range(SLOTS, 1, -1):
        bands = SLOTS // width
        if 1 - (1 - similarity**width) ** bands >= RECALL:
            return bands, width
    return SLOTS, 1


def _whole_keys(sketches: Sketches) -> Keys:
    """A key of all that a sketch holds; two different ones share it once in 2^64."""
    return _key_of(sketches.view(np.dtype(("<u4", SKETCH_BYTES // 4))))


def _band_keys(slots: NDArray[np.uint8], band: int, width: int) -> Keys:
    """48 bits for the band and its slots, then the two slots that follow, by which a bucket is ordered."""
    start = band * width
    numbered = np.concatenate(
        [np.full((len(slots), 1), band, np.uint8), slots[:, start : start + width]], axis=1
    )
    following = slots[:, [(start + width) % SLOTS, (start + width + 1) % SLOTS]].astype(np.uint64)
    bucket = _key_of(numbered) >> _ORDER_BITS << _ORDER_BITS
    return bucket | (following[:, 0] << np.uint64(8)) | following[:, 1]


def _key_of(columns: NDArray[np.unsignedinteger]) -> Keys:
    """One number for each row of numbers."""
    key = np.zeros(len(columns), np.uint64)
    for column in columns.T:
        key = (key ^ column) * _FACTOR
        key ^= key >> np.uint64(32)
    return key * _FACTOR


def _candidates(keys: Keys, rows: Rows) -> Iterator[tuple[Rows, Rows]]:
    """Pairs worth comparing, some at a time: each row with the next few of its bucket, and the first."""
    bucket = keys >> _ORDER_BITS
    for step in range(1, NEIGHBOURS + 1):
        yield from _portions(np.flatnonzero(bucket[:-step] == bucket[step:]), step, rows)
    first = _firsts(bucket)
    far = np.flatnonzero(np.arange(len(rows)) - first > NEIGHBOURS)
    for start in range(0, len(far), _CHUNK):
        at = far[start : start + _CHUNK]
        yield rows[first[at]], rows[at]


def _portions(at: NDArray[np.intp], step: int, rows: Rows) -> Iterator[tuple[Rows, Rows]]:
    for start in range(0, len(at), _CHUNK):
        portion = at[start : start + _CHUNK]
        yield rows[portion], rows[portion + step]


def _firsts(keys: Keys) -> NDArray[np.intp]:
    """For each of the sorted keys, the position of the first that equals it."""
    begins = np.concatenate([[True], keys[1:] != keys[:-1]])
    firsts: NDArray[np.intp] = np.flatnonzero(begins)[np.cumsum(begins) - 1]
    return firsts


def _in_two_groups(forest: Forest, left: Rows, right: Rows) -> tuple[Rows, Rows]:
    apart = forest.representatives(left) != forest.representatives(right)
    return left[apart], right[apart]


def _compare(file: int, left: Rows, right: Rows) -> NDArray[np.float64]:
    """The similarities of pairs of rows, whose sketches are read from `file`."""
    needed, at = np.unique(np.concatenate([left, right]), return_inverse=True)
    read = b"".join(os.pread(file, SKETCH_BYTES, row * SKETCH_BYTES) for row in needed.tolist())
    sketches = np.frombuffer(read, SKETCH)
    return similarities(sketches[at[: len(left)]], sketches[at[len(left) :]])
