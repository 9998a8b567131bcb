"""How figures are written for people, in the terminal and in Markdown alike."""

from __future__ import annotations

from core.evaluate.report import Axis, Comparison

_WORDS = {
    "better": "better",
    "worse": "WORSE",
    "no_clear_difference": "no clear difference",
    "not_judged": "not judged",
}
_VERDICTS = {
    "ship": "ship: tuned is clearly better than base on at least one axis and worse on none",
    "do_not_ship": "do not ship: tuned is clearly worse than base on {worse}",
    "cannot_tell": "cannot tell: no axis shows a clear difference between tuned and base",
}

INTERVAL_SENTENCE = (
    "The interval says how far the difference would move if the same two models were asked other rows like "
    "these: it is made so that about 95 of 100 such intervals hold the true difference, and where it "
    "includes zero, these rows cannot tell the two models apart."
)


def figure(axis: Axis, value: float | None, *, signed: bool = False) -> str:
    """0.8333 of a share -> "83.3 %"; 1.2345 nats -> "1.234"; None -> "n/a"."""
    if value is None:
        return "n/a"
    sign = "+" if signed else ""
    if axis.metric == "share":
        return f"{100 * value:{sign}.1f}" if signed else f"{100 * value:.1f} %"
    if axis.metric == "tokens" or abs(value) >= 100:
        return f"{value:{sign}.1f}"
    return f"{value:{sign}.3f}"


def interval(axis: Axis, comparison: Comparison) -> str:
    """ "-0.412 [-0.501, -0.330]"; points of a percentage where the axis is a share."""
    difference, low, high = (
        figure(axis, value, signed=True) for value in (comparison.difference, comparison.low, comparison.high)
    )
    return f"{difference} [{low}, {high}]"


def verdict_words(comparison: Comparison) -> str:
    return _WORDS[comparison.verdict]


def verdict_sentence(verdict: str, axes: list[Axis]) -> str:
    """The overall verdict in one plain sentence."""
    worse = [axis.name for axis in axes if axis.verdict == "worse"]
    return _VERDICTS[verdict].format(worse=", ".join(worse))
