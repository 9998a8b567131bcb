"""Counts of rendered rows, kept as rows go by."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate
from math import ceil

from core.data.report import Lengths, Tokens, histogram

QUANTILES = (50, 90, 99)


@dataclass
class Tally:
    """Rows, tokens and lengths of one source, split or task. Memory grows with the longest row only."""

    rows: int = 0
    trained: int = 0
    context: int = 0
    lengths: Counter[int] = field(default_factory=Counter)

    def add(self, length: int, trained: int, times: int = 1) -> None:
        """One row of `length` tokens, `trained` of which carry loss, seen so many times."""
        self.rows += times
        self.trained += trained * times
        self.context += (length - trained) * times
        self.lengths[length] += times

    def tokens(self, max_length: int) -> Tokens:
        return Tokens(self.trained, self.context, max_length, self._quantiles())

    def task_figures(self) -> dict[str, int]:
        return {"rows": self.rows, "trained": self.trained, "context": self.context}

    def histogram(self) -> Lengths:
        return histogram(sorted(self.lengths.items()), "tokens")

    def _quantiles(self) -> dict[str, int]:
        """Each the smallest length that so many percent of the rows do not exceed."""
        if not self.lengths:
            return {**{f"p{quantile}": 0 for quantile in QUANTILES}, "max": 0}
        lengths = sorted(self.lengths)
        up_to = list(accumulate(self.lengths[length] for length in lengths))
        ranks = {f"p{quantile}": ceil((up_to[-1] - 1) * quantile / 100) for quantile in QUANTILES}
        found = {name: lengths[bisect_right(up_to, rank)] for name, rank in ranks.items()}
        return {**found, "max": lengths[-1]}
