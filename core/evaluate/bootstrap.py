"""Paired bootstrap intervals for the difference of two weighted means.

Rows are drawn with replacement, each with everything that belongs to it (all its
answers, all its tokens, for both subjects), so that what two subjects share on a
row cancels. Interval: the "expanded percentile" interval of Hesterberg ("What
Teachers Should Know About the Bootstrap", The American Statistician 69(4), 2015,
pages 371-386): the quantiles of the resampled differences at Phi(sqrt(n/(n-1)) t),
where t is the 2.5 % quantile of Student's t with n-1 degrees, and at its mirror image.
Why not BCa (Efron 1987): in simulations of token-weighted loss, shares and ROUGE on
15 and 70 rows it covered no better than the plain percentile interval (0.86 to 0.95),
and the expanded one covered better than both at 15 rows (0.92 to 0.95).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Transform = Callable[[Floats], Floats]

CONFIDENCE = 0.95
# Bounds the memory of one block of resamples: 4 million indices are 32 MiB.
_BLOCK = 4_000_000


@dataclass(frozen=True)
class Interval:
    """A difference and the bounds of its interval; low <= difference <= high."""

    difference: float
    low: float
    high: float


def paired_interval(
    base: Floats,
    other: Floats,
    weight: Floats,
    *,
    resamples: int,
    seed: int,
    transform: Transform | None = None,
) -> Interval:
    """Interval of `mean(other) - mean(base)`, where mean(x) = transform(sum x / sum weight).

    All arrays are (rows,): a row's sum of the metric under each subject, and what the
    sum is divided by (its tokens, its answers), above zero. `transform` is applied to
    each mean before they are subtracted (exp for perplexity). Same seed, same interval.
    """
    rows = len(weight)
    if rows == 0 or len(base) != rows or len(other) != rows or bool((weight <= 0).any()):
        raise ValueError("base, other and weight need one value per row, and weights above zero")
    shape = transform or (lambda means: means)
    generator = np.random.default_rng(seed)
    per_block = max(1, _BLOCK // rows)
    blocks: list[Floats] = []
    with np.errstate(over="ignore", invalid="ignore"):
        difference = float(_difference(base.sum()[None], other.sum()[None], weight.sum()[None], shape)[0])
        for start in range(0, resamples, per_block):
            drawn = generator.integers(0, rows, size=(min(per_block, resamples - start), rows))
            sums = (base[drawn].sum(axis=1), other[drawn].sum(axis=1), weight[drawn].sum(axis=1))
            blocks.append(_difference(*sums, shape))
        low, high = np.quantile(np.concatenate(blocks), _expanded(rows))
    # Rounding in sums of equal numbers must not put the estimate outside its own interval.
    return Interval(difference, min(float(low), difference), max(float(high), difference))


def _difference(base: Floats, other: Floats, weight: Floats, shape: Transform) -> Floats:
    return shape(other / weight) - shape(base / weight)


def _expanded(rows: int) -> tuple[float, float]:
    """The two quantiles to take; wider than 2.5 % and 97.5 % when there are few rows."""
    if rows < 2:
        return 0.0, 1.0
    tail = (1 - CONFIDENCE) / 2
    low = NormalDist().cdf((rows / (rows - 1)) ** 0.5 * student_quantile(tail, rows - 1))
    return low, 1 - low


def student_quantile(p: float, degrees: int) -> float:
    """Quantile of Student's t by its expansion around the normal (Abramowitz and Stegun 26.7.5)."""
    z = NormalDist().inv_cdf(p)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / degrees**power for power, term in enumerate(terms, start=1))
