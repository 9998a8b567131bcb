"""The axes: what each one measures, which way is better, and tuned against base on it.

Every axis is one weighted mean: a row's sum of the metric divided by a row's weight
(its assistant tokens, or its answers), both summed over rows. So a long row counts
for more than a short one in the loss, and a row with two answers twice in the rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.evaluate.bootstrap import Floats, Interval, Transform, paired_interval
from core.evaluate.report import Axis, AxisVerdict, Comparison, Verdict
from core.evaluate.scores import RowLoss, Score

BASE, TUNED = "base", "tuned"

# With fewer rows that differ, not even full agreement among them is significant at 5 %
# (sign test: 2 * 0.5**5 = 0.06), while a bootstrap interval may already exclude zero.
MIN_DIFFERENT_ROWS = 6


@dataclass(frozen=True)
class Measured:
    """One subject's results, row by row: `losses` (rows), `scores` (rows, each with its answers)."""

    losses: Sequence[RowLoss]
    scores: Sequence[Sequence[Score]]


@dataclass(frozen=True)
class AxisKind:
    """How an axis is computed. `of_row` gives a row's sum and its weight; weight 0: not on this axis."""

    name: str
    metric: str
    about: str
    better: Literal["lower", "higher", "neither"]
    weighting: Literal["tokens", "answers"]
    of_row: Callable[[RowLoss, Sequence[Score]], tuple[float, float]]
    transform: Transform | None = None


def _answers(
    value: Callable[[Score], float | None],
) -> Callable[[RowLoss, Sequence[Score]], tuple[float, float]]:
    def of_row(_: RowLoss, scores: Sequence[Score]) -> tuple[float, float]:
        values = [figure for item in scores if (figure := value(item)) is not None]
        return float(sum(values)), float(len(values))

    return of_row


def _loss(loss: RowLoss, _: Sequence[Score]) -> tuple[float, float]:
    return loss.nats, float(loss.tokens)


AXES: tuple[AxisKind, ...] = (
    AxisKind("loss", "nats_per_token", "mean negative log-likelihood of a token", "lower", "tokens", _loss),
    AxisKind("perplexity", "perplexity", "exp of the loss", "lower", "tokens", _loss, np.exp),
    AxisKind(
        "rouge_l", "f1", "ROUGE-L F1 of generated and reference answer", "higher", "answers",
        _answers(lambda score: score.rouge_l),
    ),
    AxisKind(
        "exact_match", "share", "structured answers that equal the reference as JSON", "higher", "answers",
        _answers(lambda score: score.exact),
    ),
    AxisKind(
        "valid_json", "share", "structured answers that are valid JSON", "higher", "answers",
        _answers(lambda score: score.valid_json),
    ),
    AxisKind(
        "stopped", "share", "answers that ended by themselves before the token limit", "higher", "answers",
        _answers(lambda score: score.stopped),
    ),
    AxisKind(
        "answer_length", "tokens", "mean length of an answer; neither way is better", "neither", "answers",
        _answers(lambda score: score.tokens),
    ),
)  # fmt: skip

RULE = (
    "do_not_ship when tuned is clearly worse than base on any axis; ship when it is clearly better on at "
    "least one and worse on none; cannot_tell otherwise. Clear means that the interval excludes zero and "
    f"that at least {MIN_DIFFERENT_ROWS} rows differ. answer_length is not judged."
)


def compare(measured: Mapping[str, Measured], *, resamples: int, seed: int) -> list[Axis]:
    """The axes that have rows; `measured` holds "base", "tuned" and any exports, on the same rows."""
    axes = [_axis(kind, measured, resamples, seed) for kind in AXES]
    return [axis for axis in axes if axis is not None]


def overall(axes: Sequence[Axis]) -> Verdict:
    """The verdict of `RULE`, from base and tuned alone."""
    verdicts = {axis.verdict for axis in axes}
    if "worse" in verdicts:
        return "do_not_ship"
    return "ship" if "better" in verdicts else "cannot_tell"


def _axis(kind: AxisKind, measured: Mapping[str, Measured], resamples: int, seed: int) -> Axis | None:
    sums = {name: _sums(kind, subject) for name, subject in measured.items()}
    weight = sums[BASE][1]
    if any((other != weight).any() for _, other in sums.values()):
        raise ValueError(f"the subjects were not measured on the same rows and tokens ({kind.name})")
    on_axis = weight > 0
    if not on_axis.any():
        return None
    figures = {name: sum_[on_axis] for name, (sum_, _) in sums.items()}
    weight = weight[on_axis]
    against_base = {
        name: _compare_one(kind, figures[BASE], figures[name], weight, resamples, seed)
        for name in measured
        if name != BASE
    }
    values = {name: _finite(_mean(kind, figure, weight)) for name, figure in figures.items()}
    tuned = against_base.pop(TUNED)
    return Axis(
        name=kind.name,
        metric=kind.metric,
        about=kind.about,
        better=kind.better,
        weighting=kind.weighting,
        n=len(weight),
        units=int(weight.sum()),
        values=values,
        base=values[BASE],
        tuned=values[TUNED],
        **tuned.model_dump(),
        exports=against_base,
    )


def _compare_one(
    kind: AxisKind, base: Floats, other: Floats, weight: Floats, resamples: int, seed: int
) -> Comparison:
    interval = paired_interval(base, other, weight, resamples=resamples, seed=seed, transform=kind.transform)
    different = int((~np.isclose(base / weight, other / weight, rtol=1e-9, atol=1e-12)).sum())
    return Comparison(
        difference=_finite(interval.difference),
        low=_finite(interval.low),
        high=_finite(interval.high),
        different_rows=different,
        verdict=_verdict(kind, interval, different),
    )


def _verdict(kind: AxisKind, interval: Interval, different: int) -> AxisVerdict:
    if kind.better == "neither":
        return "not_judged"
    # Written so that an interval with a NaN bound is never clear.
    excludes_zero = interval.low > 0 or interval.high < 0
    if not excludes_zero or different < MIN_DIFFERENT_ROWS:
        return "no_clear_difference"
    return "better" if (interval.difference > 0) == (kind.better == "higher") else "worse"


def _sums(kind: AxisKind, subject: Measured) -> tuple[Floats, Floats]:
    pairs = [kind.of_row(loss, scores) for loss, scores in zip(subject.losses, subject.scores, strict=True)]
    table = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _mean(kind: AxisKind, figure: Floats, weight: Floats) -> float:
    mean = np.array([figure.sum() / weight.sum()])
    with np.errstate(over="ignore"):
        return float((kind.transform(mean) if kind.transform else mean)[0])


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
