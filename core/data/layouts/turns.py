"""Turns as chat APIs write them: {"role": ..., "content": ...}, with tool calls and typed parts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from core.data.layouts.layout import Fields, Refused, decoded, text_of
from core.data.layouts.tools import read_calls
from serve.chat import Message

Turns = list[Message]

# Keys that change what a turn means and that no model here could be shown.
_LOST = ("function_call", "reasoning_content", "reasoning", "thinking", "image", "images", "audio")
# Other tools say with these, by 0 or false, that a turn is not to be trained on.
_UNTRAINED = ("weight", "train", "loss")
_TEXT_PARTS = ("text", "input_text", "output_text")
_READ = frozenset(("role", "content", "tool_calls", *_LOST, *_UNTRAINED))
_READ_OF_TOOLS = _READ | {"name", "tool_call_id"}
# How a list of turns begins that a table holds as text, in JSON or as Python prints it.
_WRITTEN_TURNS = re.compile(r"""\[\s*\{\s*["'](?:role|content|from|value)["']\s*:""")


def list_of_turns(value: Any, key: str) -> list[Any]:
    """The list under `key`, which tables hold as JSON text; not empty."""
    value = decoded(value, f"`{key}`")
    if not isinstance(value, list):
        raise Refused(
            "wrong_type", f"`{key}` is not a list of turns", 'write [{"role": ..., "content": ...}, ...]'
        )
    if not value:
        raise Refused("no_turns", f"`{key}` is an empty list", "add the conversation")
    return value


def read_turns(value: Any, key: str) -> Turns:
    """All turns under `key`. What may follow what is the business of core/data/check.py."""
    return [read_turn(turn, key, number) for number, turn in enumerate(list_of_turns(value, key), 1)]


def read_turn(turn: Any, key: str, number: int) -> Message:
    if not isinstance(turn, dict):
        what = f"{place_of(key, number)} is not an object"
        raise Refused("wrong_type", what, 'write {"role": ..., "content": ...}')
    role, content = turn.get("role"), turn.get("content")
    if len(turn) == 2 and isinstance(role, str) and isinstance(content, str):
        return Message(role, content)
    return _rich_turn(turn, key, number)


def with_system(row: Fields, turns: Turns) -> Turns:
    """The turns after the row's own `system`, if it has one."""
    if not row.get("system"):
        return turns
    system = Message("system", text_of(row["system"], "system"))
    if turns and turns[0] == system:
        return turns
    if turns and turns[0].role == "system":
        raise Refused("two_systems", "the first turn is a system turn beside `system`", "keep one of them")
    return [system, *turns]


def spoken(value: Any, key: str, role: str) -> Turns:
    """One side of a row, as a text of `role` or as turns."""
    if isinstance(value, str) and not is_written_turns(value):
        return [Message(role, value)]
    return read_turns(value, key)


def is_written_turns(text: str) -> bool:
    """Whether a text is a whole list of turns, as tables hold it."""
    return text[:1] == "[" and text.rstrip()[-1:] == "]" and _WRITTEN_TURNS.match(text) is not None


def unread_keys(turn: Fields) -> set[str]:
    """Keys of a turn that carry something and are read by nobody."""
    extra = turn.keys() - (_READ_OF_TOOLS if turn.get("role") == "tool" else _READ)
    return {str(name) for name in extra if turn[name] is not None and turn[name] != ""}


def place_of(key: str, number: int) -> str:
    """How a problem calls a turn."""
    return f"turn {number}" if key in ("messages", "conversations") else f"turn {number} of `{key}`"


def refuse_lost(turn: Fields, where: str) -> None:
    """Refuse a turn with something that would be lost without a word."""
    for name in _LOST:
        if turn.get(name):
            fix = "write it as `tool_calls`" if name == "function_call" else f"remove `{name}`"
            raise Refused("not_supported", f"{where} has `{name}`, which would be lost", fix)
    for name in _UNTRAINED:
        if name in turn and turn[name] is not None and not turn[name]:
            what = f"{where} says by `{name}` that it is not to be trained on, but every answer is"
            raise Refused("not_supported", what, f"remove `{name}`, or the turn")


def _rich_turn(turn: Fields, key: str, number: int) -> Message:
    where = place_of(key, number)
    role = turn.get("role")
    if not isinstance(role, str):
        found = f"{where} has no `role`" if role is None else f"`role` of {where} is not a text"
        raise Refused("wrong_type", found, _role_fix(turn, key))
    refuse_lost(turn, where)
    calls = read_calls(turn["tool_calls"], where) if turn.get("tool_calls") else ()
    content = _content(turn.get("content"), where, may_miss=bool(calls))
    if role != "tool":
        return Message(role, content, calls)
    return Message(role, content, calls, _name(turn, "name", where), _name(turn, "tool_call_id", where))


def _role_fix(turn: Fields, key: str) -> str:
    if "from" in turn and "value" in turn:
        return f"set `format: sharegpt` and `columns: {{messages: {key}}}` of this source"
    return "write `role` as a text"


def _content(content: Any, where: str, *, may_miss: bool) -> str:
    if isinstance(content, str):
        return content
    if content is None and may_miss:
        return ""
    if isinstance(content, list):
        return "\n".join(_parts(content, where))
    found = f"{where} has no `content`" if content is None else f"`content` of {where} is not a text"
    raise Refused("wrong_type", found, "write `content` as a text")


def _parts(content: Sequence[Any], where: str) -> list[str]:
    texts = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        text = part if isinstance(part, str) else part.get("text") if kind in _TEXT_PARTS else None
        if isinstance(text, str):
            texts.append(text)
        elif isinstance(kind, str) and kind not in _TEXT_PARTS:
            raise Refused(
                "not_supported", f"{where} holds a part of type {kind[:40]!r}", "keep the text parts only"
            )
        else:
            what = f"`content` of {where} is not a text or a list of text parts"
            raise Refused("wrong_type", what, 'write {"type": "text", "text": ...}')
    return texts


def _name(turn: Fields, key: str, where: str) -> str | None:
    value = turn.get(key)
    if value is None or isinstance(value, str):
        return value
    raise Refused("wrong_type", f"`{key}` of {where} is not a text", f"write `{key}` as a text")
