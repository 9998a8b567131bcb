"""How the numbers that runs report are called and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tui.words import number
from tunery.files import human_bytes


def count(value: float) -> str:
    """12345.0 -> "12,345"."""
    return f"{value:,.0f}"


# In the order in which they are shown; what is not here keeps its own name.
METRICS: dict[str, tuple[str, Callable[[float], str]]] = {
    "loss": ("loss", number),
    "validation_loss": ("validation loss", number),
    "learning_rate": ("learning rate", number),
    "grad_norm": ("gradient norm", number),
    "tokens_per_second": ("tokens/s", number),
    "trained_tokens": ("tokens trained", count),
    "masked_tokens": ("tokens masked", count),
    "memory_bytes": ("memory", human_bytes),
}


def label_of(metric: str) -> str:
    """What people call a metric; "q8_0.loss" is the loss of the subject q8_0."""
    subject, dot, rest = metric.partition(".")
    if dot:
        return f"{subject} {label_of(rest)}"
    return METRICS[metric][0] if metric in METRICS else metric.replace("_", " ")


def written(metric: str, value: float | None) -> str:
    """A metric's value for people; a dash for none."""
    if value is None:
        return "-"
    return METRICS.get(metric.rpartition(".")[2], ("", number))[1](value)


def sentence(metrics: Mapping[str, float | None]) -> str:
    """ "loss 1.234, learning rate 4.0e-04"."""
    return ", ".join(f"{label_of(name)} {written(name, value)}" for name, value in metrics.items())
