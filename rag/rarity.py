"""How much a word says: one that stands in few passages says more than one that stands in all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import log

from rag.words import telling


class Rarity:
    """Weights of stems, from the passages of one set of documents. Without passages all weigh the same."""

    def __init__(self, passages: Iterable[str] = ()) -> None:
        self._passages = 0
        self._holders: Counter[str] = Counter()
        for passage in passages:
            self._passages += 1
            self._holders.update(set(telling(passage)))

    def weight(self, stem: str) -> float:
        """Above 0, and the larger the fewer passages hold the word."""
        return log(2 + self._passages / (1 + self._holders[stem]))

    def total(self, stems: Iterable[str]) -> float:
        """The weight of all different stems together, summed in one order."""
        return sum(self.weight(stem) for stem in sorted(set(stems)))
