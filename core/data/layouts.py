"""What the rows of a file are, and how each kind becomes messages.

Three layouts are read: chat `messages`, prompt and completion, and alpaca. The first
row decides by the keys it has, and every other row must follow it; the recipe's
`format` decides instead where it is set.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from core.data.rows import Problem, RawRow, printable
from serve.chat import Message
from tunery.errors import DataError

Turns = list[Message]


class _Refused(Exception):
    """One row is not what its layout asks for; the arguments are code, what, fix."""


@dataclass(frozen=True)
class Layout:
    """A kind of row: keys that it must have, keys that it may have, and the way to messages."""

    name: str
    needs: tuple[str, ...]
    may_have: tuple[str, ...]
    convert: Callable[[Mapping[str, Any]], Turns]


def _from_messages(row: Mapping[str, Any]) -> Turns:
    return _turns(row["messages"], "messages")


def _from_prompt(row: Mapping[str, Any]) -> Turns:
    prompt, completion = row["prompt"], row["completion"]
    before = [Message("user", prompt)] if isinstance(prompt, str) else _turns(prompt, "prompt")
    after = (
        [Message("assistant", completion)]
        if isinstance(completion, str)
        else _turns(completion, "completion")
    )
    return [*_system(row), *before, *after]


def _from_alpaca(row: Mapping[str, Any]) -> Turns:
    """The instruction, then the input after an empty line; the output is the answer."""
    instruction, extra = _text(row["instruction"], "instruction"), row.get("input")
    asked = f"{instruction}\n\n{_text(extra, 'input')}" if extra else instruction
    past = _decoded(row.get("history"), "history") or []
    if not isinstance(past, list) or any(
        not isinstance(pair, list | tuple) or len(pair) != 2 for pair in past
    ):
        raise _Refused(
            "wrong_type", "`history` is not a list of question and answer pairs", "write pairs, or remove it"
        )
    turns = _system(row)
    for question, answer in past:
        turns += [Message("user", _text(question, "history")), Message("assistant", _text(answer, "history"))]
    return [*turns, Message("user", asked), Message("assistant", _text(row["output"], "output"))]


LAYOUTS = {
    layout.name: layout
    for layout in (
        Layout("messages", ("messages",), (), _from_messages),
        Layout("prompt_completion", ("prompt", "completion"), ("system",), _from_prompt),
        Layout("alpaca", ("instruction", "output"), ("input", "system", "history"), _from_alpaca),
    )
}
ACCEPTED = (
    'messages ({"messages": [{"role": "user", "content": ...}, ...]}), prompt and completion '
    '({"prompt": ..., "completion": ...}) or alpaca ({"instruction": ..., "input": ..., "output": ...})'
)
# Layouts that are known and not read: the keys that give them away, their name, the way out.
_FOREIGN = (
    (("chosen", "rejected"), "preference pairs", "supervised training needs one answer: keep the chosen one"),
    (
        ("conversations",),
        "ShareGPT conversations",
        "rename it to `messages`, `from` to `role` and `value` to `content`",
    ),
    (("text",), "plain text", "supervised training needs a question and an answer"),
    (("question", "answer"), "question and answer", "rename them to `prompt` and `completion`"),
)
# Keys that change what a conversation means, and that no layout here reads.
_MEANINGFUL = ("tools", "functions", "images", "chosen", "rejected")


def detect_layout(row: RawRow) -> Layout:
    """The layout of a file by its first row. Raises DataError with what was found and what is accepted."""
    keys = [str(key) for key in row.value]
    fitting = [
        layout for layout in LAYOUTS.values() if all(row.value.get(key) is not None for key in layout.needs)
    ]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = " and ".join(layout.name for layout in fitting)
        raise DataError(
            f"{row.place}: the row can be read as {names}; say which with `format` of this source"
        )
    for marks, name, way_out in _FOREIGN:
        if all(mark in keys for mark in marks):
            raise DataError(
                f"{row.place}: these are {name}, which are not read here ({way_out}); accepted is {ACCEPTED}"
            )
    found = printable(", ".join(keys[:8])) or "nothing"
    raise DataError(
        f"{row.place}: the row has the keys {found}, which is no known layout; accepted is {ACCEPTED}"
    )


def to_messages(row: RawRow, layout: Layout) -> tuple[Message, ...] | Problem:
    """The conversation of a row, or why there is none. Its turns are checked in core/data/check.py."""
    value = row.value
    missing = [key for key in layout.needs if key not in value]
    if missing:
        return _misfit(row, layout, missing)
    for key in _MEANINGFUL:
        if value.get(key):
            return Problem(
                "not_supported", row.place, f"the row has `{key}`, which would be lost", f"remove `{key}`"
            )
    try:
        return tuple(layout.convert(value))
    except _Refused as refused:
        code, what, fix = refused.args
        return Problem(code, row.place, what, fix)


def ignored_keys(row: RawRow, layout: Layout) -> set[str]:
    """Keys of a row that carry something, and are read by nobody."""
    known = {*layout.needs, *layout.may_have, *_MEANINGFUL}
    return {str(key) for key, value in row.value.items() if value not in (None, "") and key not in known}


def _misfit(row: RawRow, layout: Layout, missing: list[str]) -> Problem:
    found = ", ".join(f"`{key}`" for key in list(row.value)[:6]) or "no keys"
    wanted = " and ".join(f"`{key}`" for key in missing)
    return Problem(
        "other_layout",
        row.place,
        f"the row has {found} and lacks {wanted}, which rows of the layout {layout.name} have",
        "bring all rows of a file into one layout",
    )


def _turns(value: Any, key: str) -> Turns:
    value = _decoded(value, key)
    if not isinstance(value, list):
        raise _Refused(
            "wrong_type", f"`{key}` is not a list of turns", 'write [{"role": ..., "content": ...}, ...]'
        )
    if not value:
        raise _Refused("no_turns", f"`{key}` is an empty list", "add the conversation, or remove the row")
    return [_turn(turn, number) for number, turn in enumerate(value, 1)]


def _turn(turn: Any, number: int) -> Message:
    if not isinstance(turn, Mapping):
        raise _Refused("wrong_type", f"turn {number} is not an object", 'write {"role": ..., "content": ...}')
    if turn.get("tool_calls"):
        raise _Refused(
            "not_supported", f"turn {number} calls tools, which cannot be trained yet", "remove the row"
        )
    for key in ("role", "content"):
        if not isinstance(turn.get(key), str):
            what = (
                f"turn {number} has no `{key}`"
                if turn.get(key) is None
                else f"`{key}` of turn {number} is not a text"
            )
            raise _Refused("wrong_type", what, f"write `{key}` as a text")
    return Message(turn["role"], turn["content"])


def _system(row: Mapping[str, Any]) -> Turns:
    system = row.get("system")
    return [Message("system", _text(system, "system"))] if system else []


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str):
        found = "missing" if value is None else "not a text"
        raise _Refused("wrong_type", f"`{key}` is {found}", f"write `{key}` as a text")
    return value


def _decoded(value: Any, key: str) -> Any:
    """Tables can hold a list only as JSON text."""
    if not isinstance(value, str) or not value.strip():
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise _Refused(
            "wrong_type", f"`{key}` is a text that is not JSON", "write the list as JSON"
        ) from None
