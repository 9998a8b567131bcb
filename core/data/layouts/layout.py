"""A layout: which keys a row has, and the way from them to an example."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite
from typing import Any

from core.models.examples import Example, Kind

Fields = Mapping[str, Any]

# Keys that change what a row means. Where a layout does not read one, the row is a problem.
_PICTURES_AND_SOUND = ("image", "images", "video", "videos", "audio", "audios")
_MEANINGFUL: Mapping[Kind, tuple[str, ...]] = {
    "text": (),
    "classification": _PICTURES_AND_SOUND,
    **dict.fromkeys(
        ("conversation", "preference", "unpaired", "prompt"),
        (*_PICTURES_AND_SOUND, "tools", "functions", "system", "history", "input"),
    ),
}
# Nested deeper than this, JSON is damage or an attack.
DEEPEST = 64


class Refused(Exception):
    """A row is not what its layout asks for: a code, what is wrong, and what to do."""

    def __init__(self, code: str, what: str, fix: str) -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.fix = fix


@dataclass(frozen=True)
class Layout:
    """A kind of row.

    `needs` are keys that hold something in every row, `may_have` others that are read.
    `convert` makes the example, or raises Refused. `names` says which key a recipe's
    column means where the two differ. `fits` looks at the types of a first row that has
    all needed keys, and `turns_in` is the key that holds turns as a list, if one does.
    """

    name: str
    kind: Kind
    needs: tuple[str, ...]
    may_have: tuple[str, ...]
    convert: Callable[[Fields], Example]
    names: Mapping[str, str] = field(default_factory=dict)
    fits: Callable[[Fields], bool] = lambda _: True
    turns_in: str | None = None

    @cached_property
    def reads(self) -> frozenset[str]:
        return frozenset((*self.needs, *self.may_have))

    @cached_property
    def lost(self) -> frozenset[str]:
        """Keys that change the meaning of a row, and that this layout does not read."""
        return frozenset(_MEANINGFUL[self.kind]) - self.reads

    @cached_property
    def known(self) -> frozenset[str]:
        """Keys that do not go unnoticed."""
        return self.reads | self.lost

    def key_of(self, column: str) -> str:
        """The key that a recipe's column stands for here."""
        return self.names.get(column, column)

    def column_of(self, key: str) -> str:
        """The column by which a recipe names a key."""
        return next((column for column, name in self.names.items() if name == key), key)


def text_of(value: Any, key: str) -> str:
    """The value, which must be a text."""
    if isinstance(value, str):
        return value
    found = "missing" if value is None else "not a text"
    raise Refused("wrong_type", f"`{key}` is {found}", f"write `{key}` as a text")


def decoded(value: Any, where: str) -> Any:
    """Tables can hold a list or an object only as JSON text."""
    if not isinstance(value, str) or not value.strip():
        return value
    try:
        return json.loads(value, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError):
        raise Refused(
            "wrong_type", f"{where} is a text that is not JSON", "write the value as JSON"
        ) from None


def require_json(value: Any, where: str, depth: int = 0) -> None:
    """Refuse what JSON cannot hold, such as dates of a table, NaN or endless nesting."""
    if value is None or isinstance(value, str | int):
        return
    if isinstance(value, float) and isfinite(value):
        return
    if depth == DEEPEST:
        raise Refused("too_deep", f"{where} is nested more than {DEEPEST} deep", "make it flatter")
    if isinstance(value, list):
        for item in value:
            require_json(item, where, depth + 1)
    elif isinstance(value, dict) and all(isinstance(key, str) for key in value):
        for item in value.values():
            require_json(item, where, depth + 1)
    else:
        what = f"{where} holds a value of type {type(value).__name__}, which JSON does not have"
        raise Refused("wrong_type", what, "write it as a text or a number")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return value
