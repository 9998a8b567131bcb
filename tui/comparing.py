"""How two datasets differ, as text; at most 78 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tui.inspecting import WIDTH, end_of, listed
from tunery.shown import harmless

if TYPE_CHECKING:
    from core.data.diff import Change, DatasetDiff, ShownRow

_MARKS = {"added": "+", "removed": "-", "moved": "~"}


def diff_text(diff: DatasetDiff, a: str, b: str) -> str:
    """`a` and `b` are what the two sides are called; A stands left."""
    if diff.same_rows:
        verdict = f"Both hold the same {diff.kept:,} rows in the same splits."
    else:
        verdict = (
            f"B has {diff.added:,} rows that A has not, and lacks {diff.removed:,} of A's; "
            f"{diff.moved:,} stand in another split, {diff.kept:,} are in both."
        )
    parts = [
        f"A  {harmless(a)}\nB  {harmless(b)}",
        verdict,
        "\n".join(f"  {_MARKS[row.change]} {harmless(_shown(row))}" for row in diff.examples),
        _figures("Rows", diff.splits),
        _figures("Sources", diff.sources),
        _figures("Tasks", diff.tasks),
        _figures("Tokens", diff.tokens),
        _figures("Rows after each step", diff.steps),
        _settings(diff.settings),
    ]
    return "\n\n".join(part for part in parts if part)


def _shown(row: ShownRow) -> str:
    return f"{row.split}, {row.source} line {row.line}: {row.text}"


def _figures(title: str, changes: Iterable[Change]) -> str:
    rows = [
        (end_of(change.name), _count(change.a), _count(change.b), _difference(change.a, change.b))
        for change in changes
        if change.a is not None or change.b is not None
    ]
    return listed(title, ("", "A", "B", "difference"), rows) if rows else ""


def _settings(changes: tuple[Change, ...] | None) -> str:
    if changes is None:
        return "The settings of one side are not known: an earlier version of Tunery made it."
    if not changes:
        return "Their settings are the same."
    told = (
        textwrap.fill(
            harmless(f"{change.name}: {_value(change.a)} → {_value(change.b)}"),
            WIDTH,
            initial_indent="  ",
            subsequent_indent="    ",
        )
        for change in changes
    )
    return "\n".join(["Settings", *told])


def _difference(a: int | None, b: int | None) -> str:
    if a is None or b is None:
        return ""
    change = b - a
    return f"{change:+,}" if change else "="


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _value(value: Any) -> str:
    return "–" if value is None else str(value)
