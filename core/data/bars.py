"""Bars for both faces of the data report: what is drawn, and the drawing as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from tunery.shown import harmless

# In units of the drawing, which is scaled to the page's width.
_WIDTH, _LINE, _LABEL, _FIGURE = 480, 24, 130, 92
_LABEL_LETTERS = 19


@dataclass(frozen=True)
class Bar:
    """A labelled amount; `rest` is drawn behind it in a paler colour."""

    label: str
    amount: int
    rest: int = 0


def bins(lengths: Mapping[str, Any]) -> list[Bar]:
    """A histogram as bars, without the empty ones at its ends. `lengths` as in the report's JSON."""
    edges, counts = lengths.get("edges", ()), lengths.get("counts", ())
    full = [number for number, count in enumerate(counts) if count]
    if not full:
        return []
    return [
        Bar(f"{edges[number]:,} – {edges[number + 1] - 1:,}", counts[number])
        for number in range(full[0], full[-1] + 1)
    ]


def bars_svg(bars: Sequence[Bar]) -> str:
    """Horizontal bars with their labels and figures; colours are the page's classes."""
    largest = max((bar.amount + bar.rest for bar in bars), default=0) or 1
    room = _WIDTH - _LABEL - _FIGURE
    drawn = []
    for number, bar in enumerate(bars):
        top = number * _LINE
        amount, rest = (round(room * part / largest, 1) for part in (bar.amount, bar.rest))
        label = bar.label if len(bar.label) <= _LABEL_LETTERS else "…" + bar.label[1 - _LABEL_LETTERS :]
        figure = f"{bar.amount:,}" + (f" + {bar.rest:,}" if bar.rest else "")
        drawn.append(
            f'<text class="soft" x="{_LABEL - 8}" y="{top + 16}" text-anchor="end">{_text(label)}</text>'
            f'<rect class="bar" x="{_LABEL}" y="{top + 4}" width="{max(amount, 1)}" height="16" rx="2"/>'
            + (
                f'<rect class="rest" x="{_LABEL + amount}" y="{top + 4}" width="{rest}" height="16" rx="2"/>'
                if rest
                else ""
            )
            + f'<text x="{_LABEL + amount + rest + 6}" y="{top + 16}">{figure}</text>'
        )
    height = max(len(bars), 1) * _LINE
    return f'<svg viewBox="0 0 {_WIDTH} {height}" role="img">{"".join(drawn)}</svg>'


def _text(text: str) -> str:
    return escape(harmless(text), quote=True)
