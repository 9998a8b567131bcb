"""Bars for both faces of the data report: what is drawn, and the drawing as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from tunery.shown import harmless

# In units of the drawing, which is scaled to the page's width; a letter is about 7 wide.
_WIDTH, _LINE, _LABEL, _FIGURE = 340, 22, 104, 62
_SHORT, _LONG = 14, 34


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
    """Horizontal bars; long labels and two figures stand above their bar, short ones beside it."""
    largest = max((bar.amount + bar.rest for bar in bars), default=0) or 1
    beside = all(len(bar.label) <= _SHORT and not bar.rest for bar in bars)
    draw, line = (_beside, _LINE) if beside else (_above, 2 * _LINE)
    drawn = "".join(draw(bar, number * line, largest) for number, bar in enumerate(bars))
    return f'<svg viewBox="0 0 {_WIDTH} {max(len(bars), 1) * line}" role="img">{drawn}</svg>'


def _beside(bar: Bar, top: int, largest: int) -> str:
    width = round((_WIDTH - _LABEL - _FIGURE) * bar.amount / largest, 1)
    return (
        f'<text class="soft" x="{_LABEL - 8}" y="{top + 15}" text-anchor="end">{_text(bar.label)}</text>'
        f"{_rect('bar', _LABEL, top + 4, width)}"
        f'<text x="{_LABEL + width + 6}" y="{top + 15}">{bar.amount:,}</text>'
    )


def _above(bar: Bar, top: int, largest: int) -> str:
    amount, rest = (round(_WIDTH * part / largest, 1) for part in (bar.amount, bar.rest))
    figure = f"{bar.amount:,}" + (f" + {bar.rest:,}" if bar.rest else "")
    room = _LONG - len(figure) + 8
    label = bar.label if len(bar.label) <= room else "…" + bar.label[1 - room :]
    return (
        f'<text class="soft" x="0" y="{top + 15}">{_text(label)}</text>'
        f'<text x="{_WIDTH}" y="{top + 15}" text-anchor="end">{figure}</text>'
        f"{_rect('bar', 0, top + _LINE, amount)}"
        f"{_rect('rest', amount, top + _LINE, rest) if rest else ''}"
    )


def _rect(part: str, left: float, top: int, width: float) -> str:
    """What is there is seen, however little it is."""
    return f'<rect class="{part}" x="{left}" y="{top}" width="{max(width, 1)}" height="14" rx="2"/>'


def _text(text: str) -> str:
    return escape(harmless(text), quote=True)
