"""Passages of held-out rows that stand in other rows: how much of a test a training row gives away.

A passage is a run of so many words. What stands in several held-out rows (a system prompt, a
template's sentence) tells nothing about any one of them and counts for none.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash

from core.data.similar.words import words_of

# A passage of more held-out rows than this is common; in small sets, of more than every fourth row.
COMMON = 5


class HeldOutPassages:
    """The passages of `ngram` words of held-out rows, in memory: 32 bytes each, 160 while they are sorted.

    Rows with fewer words have none: near-duplicates are for them.
    """

    def __init__(self, ngram: int) -> None:
        self._ngram = ngram
        # A passage covers a look-out that begins at a multiple of `_stride`, wherever it stands in a text.
        self._stride = (ngram + 1) // 2
        self._lookout = ngram - self._stride + 1
        self._keys: list[int] = []
        self._passages = array("Q")
        self._lookouts = array("Q")
        self._counts: list[int] = []
        self._index: _Index | None = None

    def add(self, row_key: int, text: str) -> None:
        """Hold a row out under a number of the caller's."""
        words = words_of(text)
        passages = _hashes(words, self._ngram, range(len(words) - self._ngram + 1))
        if passages:
            self._keys.append(row_key)
            self._counts.append(len(passages))
            self._passages.extend(passages)
            self._lookouts.extend(_hashes(words, self._lookout, range(len(words) - self._lookout + 1)))
            self._index = None

    def overlap(self, text: str) -> tuple[float, int] | None:
        """The largest share, above 0 to 1, of one held-out row's passages that stand in `text`, and that row.

        None where it holds no passage. Of rows with equal shares, the one that was added first.
        """
        words = words_of(text)
        if len(words) < self._ngram or not self._keys:
            return None
        if self._index is None:
            self._index = _index(self._passages, self._lookouts, self._counts, self._stride)
        index = self._index
        starts = range(0, len(words) - self._lookout + 1, self._stride)
        seen = index.seen(_hashes(words, self._lookout, starts))
        if not seen:
            return None
        last = len(words) - self._ngram
        around = {
            begin
            for position in seen
            for begin in range(max(0, starts[position] - self._stride + 1), min(starts[position], last) + 1)
        }
        found = index.owners(set(_hashes(words, self._ngram, sorted(around))))
        shares = [(-count / index.totals[row], row) for row, count in found.items()]
        if not shares:
            return None
        share, row = min(shares)
        return -share, self._keys[row]


@dataclass(frozen=True)
class _Index:
    """What is looked up, sorted: `passages` and at equal positions the `rows` that hold them.

    `lookouts` are the first 32 bits of the hashes; `totals` the passages of each row.
    """

    passages: NDArray[np.uint64]
    rows: NDArray[np.uint32]
    lookouts: NDArray[np.uint32]
    totals: list[int]

    def seen(self, hashes: list[int]) -> list[int]:
        """The positions of the hashes that are lookouts of a row, or one in many thousands that is not."""
        if not len(self.lookouts):
            return []
        wanted = (np.array(hashes, np.uint64) >> np.uint64(32)).astype(np.uint32)
        at = np.minimum(np.searchsorted(self.lookouts, wanted), len(self.lookouts) - 1)
        return np.flatnonzero(self.lookouts[at] == wanted).tolist()

    def owners(self, hashes: Iterable[int]) -> Counter[int]:
        """How many of the hashes are passages of each row."""
        wanted = np.array(sorted(hashes), np.uint64)
        first = np.searchsorted(self.passages, wanted, "left").tolist()
        last = np.searchsorted(self.passages, wanted, "right").tolist()
        return Counter(
            row for start, stop in zip(first, last, strict=True) for row in self.rows[start:stop].tolist()
        )


def _index(passages: array[int], lookouts: array[int], counts: list[int], stride: int) -> _Index:
    """The index of rows whose passages stand end to end, `counts` of each; common passages are left out."""
    hashes = np.frombuffer(passages, np.uint64)
    rows = np.repeat(np.arange(len(counts), dtype=np.uint32), counts)
    order = np.lexsort((rows, hashes))
    once = np.ones(len(order), np.bool_)
    once[1:] = (np.diff(hashes[order]) != 0) | (np.diff(rows[order]) != 0)
    held = order[once]
    _, which, holders = np.unique(hashes[held], return_inverse=True, return_counts=True)
    own = holders[which] <= max(1, min(COMMON, len(counts) // 4))
    held = held[own]
    is_own = np.isin(hashes, hashes[held])
    totals = np.bincount(rows[held], minlength=len(counts)).tolist()
    return _Index(hashes[held], rows[held], _own_lookouts(lookouts, counts, is_own, stride), totals)


def _own_lookouts(
    lookouts: array[int], counts: list[int], is_own: NDArray[np.bool_], stride: int
) -> NDArray[np.uint32]:
    """The lookouts that lie in a passage which is not common, sorted."""
    # A row has stride - 1 lookouts more than passages: the one at i lies in the passages i - stride + 1 to i.
    begins = np.arange(len(is_own)) + np.repeat(np.arange(len(counts)) * (stride - 1), counts)
    inside = np.zeros(len(lookouts), np.bool_)
    for step in range(stride):
        inside[begins[is_own] + step] = True
    return np.unique((np.frombuffer(lookouts, np.uint64)[inside] >> np.uint64(32)).astype(np.uint32))


def _hashes(words: list[str], width: int, starts: Iterable[int]) -> list[int]:
    """A hash of the words from each start on, the same in every process."""
    hashes: list[int] = RMinHash.hash_token_sets([[" ".join(words[at : at + width]) for at in starts]])[0]
    return hashes
