"""The layout of a file, by its first row."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from core.data.layouts.convert import as_named, to_example
from core.data.layouts.layout import Layout
from core.data.layouts.near_miss import Suggestion, near_miss
from core.data.layouts.table import LAYOUTS
from core.data.rows import Problem, RawRow, printable
from core.models.examples import Example
from tunery.errors import DataError


def detect_layout(row: RawRow, columns: Mapping[str, str]) -> Layout:
    """The one layout that the keys and types of a first row allow.

    Raises DataError, with what was found and what to write into the recipe, when no
    layout or more than one fits.
    """
    fitting = _fitting(row, columns)
    if len(fitting) > 1:
        fitting = _without_copies(row, columns, fitting)
    if len(fitting) > 1:
        names = " and ".join(layout.name for layout in fitting)
        first = fitting[0].name
        raise DataError(
            f"{row.place}: the row can be read as {names}; say which with `format`, such as "
            f"`format: {first}`, for this source"
        )
    if not fitting:
        raise DataError(printable(f"{row.place}: {_unknown(row, columns)}"))
    if fitting[0].name == "prompts":
        _refuse_unread_answers(row, columns, fitting[0])
    return fitting[0]


def _fitting(row: RawRow, columns: Mapping[str, str]) -> list[Layout]:
    """Layouts whose keys are there, less those that another one contains."""
    fitting = []
    for layout in LAYOUTS.values():
        value = as_named(row, layout, columns)
        if all(value.get(key) is not None for key in layout.needs) and layout.fits(value):
            fitting.append(layout)
    return [
        layout
        for layout in fitting
        if not any(
            set(layout.needs) <= other.reads and not set(other.needs) <= layout.reads for other in fitting
        )
    ]


def _without_copies(row: RawRow, columns: Mapping[str, str], fitting: list[Layout]) -> list[Layout]:
    """The layouts that can read the row, less those that read what an earlier one reads as well.

    Many sets keep, beside the turns, their first question or all of them as one text.
    """
    kept: list[tuple[Layout, Example]] = []
    for layout in fitting:
        example = to_example(row, layout, columns)
        if isinstance(example, Problem) or any(_say_the_same(example, other) for _, other in kept):
            continue
        kept.append((layout, example))
    return [layout for layout, _ in kept] or fitting


def _say_the_same(one: Example, other: Example) -> bool:
    texts, others = ([turn.content for turn in example.turns()] for example in (one, other))
    return _within(texts, others) or _within(others, texts)


def _within(texts: list[str], others: list[str]) -> bool:
    return all(any(text in other for other in others) for text in texts)


def _refuse_unread_answers(row: RawRow, columns: Mapping[str, str], prompts: Layout) -> None:
    """A prompt beside something that looks like its answer is hardly a prompt alone."""
    if columns:
        return
    better = near_miss(row)
    if better is not None and prompts.reads.isdisjoint(better.columns.values()):
        raise DataError(
            printable(f"{row.place}: {_advice(better)}, or `format: prompts` to read the prompts alone")
        )


def _unknown(row: RawRow, columns: Mapping[str, str]) -> str:
    found = ", ".join(str(key)[:40] for key in list(row.value)[:8]) or "nothing"
    absent = next((column for column in columns.values() if column not in row.value), None)
    if absent is not None:
        ours = next(ours for ours, theirs in columns.items() if theirs == absent)
        return (
            f"the row has the keys {found} and no {absent!r}, which `columns` of this source names for "
            f"{ours}; correct it"
        )
    better = None if columns else near_miss(row)
    if better is not None:
        return _advice(better)
    return f"the row has the keys {found}, which is no known layout; accepted is {_ACCEPTED}"


def _advice(better: Suggestion) -> str:
    named = " and ".join(repr(column[:40]) for column in better.columns.values())
    mapping = ", ".join(f"{ours}: {_yaml(theirs)}" for ours, theirs in better.columns.items())
    return (
        f"the row has {named}, which is the layout {better.layout.name} under other names; write "
        f"`columns: {{{mapping}}}` for this source"
    )


def _yaml(name: str) -> str:
    """A column's name as YAML reads it back."""
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else json.dumps(name)


_ACCEPTED = ", ".join(f"{layout.name} ({' and '.join(layout.needs)})" for layout in LAYOUTS.values())
