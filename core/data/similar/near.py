"""Groups of rows that are nearly the same, found among any number of sketches in little memory.

Rows whose sketches are equal are one group from the start, so that a text that stands in
100,000 rows costs no more than one that stands in two. The others are candidates where they
agree in a band of slots, and near-duplicates where the sketches say that they are similar
enough. Of rows that share a band with many (a template sentence), only some are compared.

On disk: SKETCH_BYTES a row for good, and during a search 12 bytes for each band (about 250 a
row at a similarity of 0.8) and 5 bytes for its group.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from core.data.similar.buckets import ENTRY_BYTES, MOST_PARTS, PART, Buckets
from core.data.similar.forest import Forest
from core.data.similar.shelf import Shelf
from core.data.similar.sketch import SKETCH_BYTES, SLOTS, Sketches, similarities
from tunery.files import need_room

# Bands are as wide as finds this share of the pairs that are just similar enough.
RECALL = 0.995
# All rows of a bucket of this size are compared with one another; in larger ones, each with the first of the
# bucket and the next few in an order that brings together those that agree in the following slots, too.
SMALL = 9
CLOSEST = 2
_PAIRS = 2**14
_ORDER_BITS = np.uint64(16)
_FACTOR = np.uint64(0x9E3779B97F4A7C15)

Keys = NDArray[np.uint64]
Rows = NDArray[np.uint32]


class NearDuplicates:
    """Takes sketches one by one and keeps them in `folder`, which must be empty or new."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._shelf = Shelf(folder / "sketches")

    def add(self, sketch: bytes) -> int:
        """Keep a sketch; returns its ordinal, from 0."""
        self._shelf.add(sketch)
        return len(self._shelf) - 1

    def groups(self, similarity: float) -> Iterator[tuple[int, int]]:
        """(ordinal, representative), ascending, of each row whose group has an earlier row.

        A group is all rows that are connected by pairs of at least `similarity`, above 0 to
        1; the representative is its earliest row. Raises NoRoom when the disk is too full.
        """
        count = len(self._shelf)
        if not count:
            return
        bands, width = bands_for(similarity)
        # Wide searches go over the sketches several times, so that a part never outgrows the memory.
        at_once = max(1, min(bands, MOST_PARTS * PART // count))
        need_room(self._folder, count * (ENTRY_BYTES * at_once + 5), "the search for near-duplicates")
        with TemporaryDirectory(dir=self._folder, prefix="search-") as name:
            folder = Path(name)
            forest = Forest(folder / "groups", count)
            self._unite_equal(folder, forest)
            distinct = self._distinct(folder, forest)
            for start in range(0, bands, at_once):
                buckets = self._banded(folder, distinct, range(start, min(start + at_once, bands)), width)
                self._unite_similar(buckets, forest, similarity)
            yield from forest.followers()

    def _unite_equal(self, folder: Path, forest: Forest) -> None:
        with Buckets(folder, len(self._shelf)) as buckets:
            for rows, sketches in self._shelf.chunks():
                buckets.add(_whole_keys(sketches), rows)
        for keys, rows in buckets.parts():
            forest.unite(rows[_firsts(keys)], rows)

    def _distinct(self, folder: Path, forest: Forest) -> NDArray[np.bool_]:
        """Of rows with equal sketches, the first: it stands for all of them in the search."""
        distinct = np.memmap(folder / "distinct", dtype=np.bool_, mode="w+", shape=(len(self._shelf),))
        for rows, _ in self._shelf.chunks():
            distinct[rows] = forest.representatives(rows) == rows
        return distinct

    def _banded(self, folder: Path, distinct: NDArray[np.bool_], bands: range, width: int) -> Buckets:
        """The distinct rows by what their slots are in each of `bands`."""
        with Buckets(folder, len(self._shelf) * len(bands)) as buckets:
            for rows, sketches in self._shelf.chunks():
                chosen = distinct[rows]
                rows, slots = rows[chosen], sketches["slots"][chosen]
                keys = [_band_keys(slots, band, width) for band in bands]
                buckets.add(np.concatenate(keys), np.tile(rows, len(bands)))
        return buckets

    def _unite_similar(self, buckets: Buckets, forest: Forest, similarity: float) -> None:
        for keys, rows in buckets.parts():
            for left, right in _candidates(keys, rows):
                apart = forest.representatives(left) != forest.representatives(right)
                left, right = left[apart], right[apart]
                near = self._compare(left, right) >= similarity
                forest.unite(left[near], right[near])

    def _compare(self, left: Rows, right: Rows) -> NDArray[np.float64]:
        """The similarity of each pair of rows."""
        needed, at = np.unique(np.concatenate([left, right]), return_inverse=True)
        sketches = self._shelf.pick(needed)
        return similarities(sketches[at[: len(left)]], sketches[at[len(left) :]])


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
    """Pairs of rows of one bucket that are worth comparing, some at a time. The keys are sorted."""
    bucket = keys >> _ORDER_BITS
    first = _firsts(bucket)
    place = np.arange(len(rows)) - first
    small = np.bincount(first, minlength=len(rows))[first] <= SMALL
    for step in range(1, SMALL):
        right = np.flatnonzero((place >= step) & (small | (step <= CLOSEST)))
        yield from _some(rows, right - step, right)
    right = np.flatnonzero(~small & (place > CLOSEST))
    yield from _some(rows, first[right], right)


def _some(rows: Rows, left: NDArray[np.intp], right: NDArray[np.intp]) -> Iterator[tuple[Rows, Rows]]:
    for start in range(0, len(left), _PAIRS):
        part = slice(start, start + _PAIRS)
        yield rows[left[part]], rows[right[part]]


def _firsts(keys: Keys) -> NDArray[np.intp]:
    """For each of the sorted keys, the position of the first that equals it."""
    begins = np.concatenate([[True], keys[1:] != keys[:-1]])
    firsts: NDArray[np.intp] = np.flatnonzero(begins)[np.cumsum(begins) - 1]
    return firsts
