"""Which column mapping would make a row readable that has our keys under other names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.data.layouts.convert import to_example
from core.data.layouts.layout import Layout
from core.data.layouts.table import LAYOUTS
from core.data.rows import Problem, RawRow

# What other people call our columns, the most telling name first.
_OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "messages": ("conversations", "conversation", "dialogue", "dialog", "chat", "turns"),
    "prompt": ("question", "instruction", "query", "problem", "input", "user"),
    "completion": ("answer", "response", "output", "target", "solution", "reply", "assistant"),
    "input": ("context",),
    "text": ("content", "document"),
    "label": ("labels", "class", "category"),
    "chosen": ("preferred", "accepted", "better"),
    "rejected": ("dispreferred", "worse"),
}


@dataclass(frozen=True)
class Suggestion:
    """A layout, and the `columns` by which a row follows it."""

    layout: Layout
    columns: Mapping[str, str]


def near_miss(row: RawRow) -> Suggestion | None:
    """The mapping under which most of the row is read; None when no known name helps."""
    best, most = None, 0
    for layout in LAYOUTS.values():
        columns = _mapping(layout, row)
        if not columns or isinstance(to_example(row, layout, columns), Problem):
            continue
        read = len(layout.reads & set(row.value) - set(columns.values())) + len(columns)
        if read > most:
            best, most = Suggestion(layout, columns), read
    return best


def _mapping(layout: Layout, row: RawRow) -> dict[str, str] | None:
    """Columns for the keys of the layout that the row has under another name; None where one is missing."""
    keys = {str(key).strip().lower(): key for key in reversed(list(row.value)) if isinstance(key, str)}
    found: dict[str, str] = {}
    for key in (*layout.needs, *layout.may_have):
        if row.value.get(key) is not None:
            continue
        ours = layout.column_of(key)
        known = [keys[name] for name in (key, ours, *_OTHER_NAMES.get(ours, ())) if name in keys]
        theirs = next((name for name in known if name not in found.values()), None)
        if theirs is not None:
            found[ours] = theirs
        elif key in layout.needs:
            return None
    return found
