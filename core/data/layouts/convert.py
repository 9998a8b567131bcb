"""One row by a known layout: its example, its group, and the keys that nobody reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.data.layouts.layout import DEEPEST, Fields, Layout, Refused
from core.data.layouts.sharegpt import unread_sharegpt_keys
from core.data.layouts.turns import unread_keys
from core.data.rows import Problem, RawRow
from core.models.examples import Example

# A group has a name that a person can read in a table.
_LONGEST_NAME = 64


def to_example(row: RawRow, layout: Layout, columns: Mapping[str, str]) -> Example | Problem:
    """The example in a row, or why there is none. What it says is checked in core/data/check.py.

    `columns` says which column of the file is meant by a name of ours.
    """
    try:
        value = as_named(row, layout, columns)
        for key in layout.needs:
            if value.get(key) is None:
                raise _misfit(row, layout, columns, value)
        if not layout.lost.isdisjoint(value):
            _refuse_lost(layout, value)
        return layout.convert(value)
    except Refused as refused:
        fix = f"{refused.fix}, or set data.clean.bad_rows: drop"
        return Problem(refused.code, row.place, refused.what, fix)


def as_named(row: RawRow, layout: Layout, columns: Mapping[str, str]) -> Fields:
    """The row's values under the layout's own keys. A column that is renamed hides one that has the name."""
    value = row.value
    if row.place.unit == "row":
        # A table's structure has every key in every row: null says that a row lacks it.
        value = _without_nulls(value)
    if not columns:
        return value
    renamed = _renamed(layout, columns)
    hidden = {*renamed, *renamed.values()}
    kept = {key: item for key, item in value.items() if key not in hidden}
    return kept | {key: value[column] for key, column in renamed.items() if column in value}


def ignored_keys(row: RawRow, layout: Layout, columns: Mapping[str, str]) -> set[str]:
    """Keys that carry something and are read by nobody; those of turns as `messages[].key`."""
    known = layout.known
    if columns:
        renamed = _renamed(layout, columns)
        known = (known - set(renamed)) | {column for key, column in renamed.items() if key in known}
    found = {
        str(key) for key in row.value.keys() - known if row.value[key] is not None and row.value[key] != ""
    }
    named_by = columns.get("task", "task")
    if named_by in found and group_of(row, columns) is not None:
        found.remove(named_by)
    if layout.turns_in is not None:
        found |= _ignored_in_turns(row.value, layout, columns.get("messages", layout.turns_in))
    return found


def group_of(row: RawRow, columns: Mapping[str, str]) -> str | None:
    """The row's own task: a short name in its `task` column, or None."""
    task = row.value.get(columns.get("task", "task"))
    if isinstance(task, int) and not isinstance(task, bool):
        task = str(task)
    if not isinstance(task, str):
        return None
    task = task.strip()
    return task if 0 < len(task) <= _LONGEST_NAME and task.isprintable() else None


def _renamed(layout: Layout, columns: Mapping[str, str]) -> dict[str, str]:
    return {layout.key_of(ours): theirs for ours, theirs in columns.items()}


def _misfit(row: RawRow, layout: Layout, columns: Mapping[str, str], value: Fields) -> Refused:
    def shown(keys: list[str]) -> str:
        return " and ".join(f"`{key[:40]}`" for key in keys)

    renamed = _renamed(layout, columns)
    lacks = shown([renamed.get(key, key) for key in layout.needs if value.get(key) is None])
    has = shown([str(key) for key, item in row.value.items() if item is not None][:6]) or "no keys"
    what = f"the row has {has} and lacks {lacks}, which rows of the layout {layout.name} have"
    return Refused("other_layout", what, "bring all rows of a file into one layout, or correct its `format`")


def _refuse_lost(layout: Layout, value: Fields) -> None:
    for key in sorted(layout.lost):
        if value.get(key):
            what = f"the row has `{key}`, which would be lost in the layout {layout.name}"
            raise Refused("not_supported", what, f"remove `{key}`")


def _without_nulls(value: Any, depth: int = 0) -> Any:
    """The value without the keys that hold null. What is nested too deep to be read is left as it is."""
    if depth > DEEPEST:
        return value
    if isinstance(value, dict):
        return {key: _without_nulls(item, depth + 1) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item, depth + 1) for item in value]
    return value


def _ignored_in_turns(value: Fields, layout: Layout, key: str) -> set[str]:
    turns = value.get(key)
    if not isinstance(turns, list):
        return set()
    unread = unread_sharegpt_keys if layout.turns_in == "conversations" else unread_keys
    return {
        f"{key}[].{name}"
        for turn in turns
        if isinstance(turn, dict) and len(turn) > 2
        for name in unread(turn)
    }
