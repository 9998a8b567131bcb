"""Turns as ShareGPT writes them: {"from": "human", "value": ...}."""

from __future__ import annotations

from typing import Any

from core.data.layouts.layout import Fields, Refused, decoded
from core.data.layouts.tools import read_call
from core.data.layouts.turns import Turns, list_of_turns, place_of, refuse_lost, unread_keys
from serve.chat import Message, ToolCall

_SHAPE = 'write {"from": "human" or "gpt", "value": ...}'
_ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "ai": "assistant",
    "system": "system",
    "developer": "system",
    "observation": "tool",
    "tool": "tool",
    "function_response": "tool",
}


def read_sharegpt(value: Any, key: str) -> Turns:
    """All turns under `key`, their roles by the names that they have here."""
    return [sharegpt_turn(turn, key, number) for number, turn in enumerate(list_of_turns(value, key), 1)]


def sharegpt_turn(turn: Any, key: str, number: int) -> Message:
    if not isinstance(turn, dict):
        raise Refused("wrong_type", f"{place_of(key, number)} is not an object", _SHAPE)
    speaker, text = turn.get("from"), turn.get("value")
    if not isinstance(speaker, str) or not isinstance(text, str):
        raise Refused(*_misfit(turn, key, number))
    if len(turn) > 2:
        refuse_lost(turn, place_of(key, number))
    role = _ROLES.get(speaker) or _ROLES.get(speaker.lower())
    if role is not None:
        return Message(role, text)
    if speaker == "function_call":
        return Message("assistant", "", _calls(text, place_of(key, number)))
    what = f"{place_of(key, number)} is from {speaker[:40]!r}"
    raise Refused("unknown_role", what, "use human, gpt, system, function_call or observation")


def unread_sharegpt_keys(turn: Fields) -> set[str]:
    """Keys of a turn that carry something and are read by nobody."""
    return unread_keys({key: item for key, item in turn.items() if key not in ("from", "value")})


def _calls(text: str, where: str) -> tuple[ToolCall, ...]:
    """One call or a list of them, as JSON text."""
    value = decoded(text, f"`value` of {where}")
    calls = value if isinstance(value, list) else [value]
    if not calls:
        raise Refused("wrong_type", f"{where} is a function call that calls nothing", "write the call")
    return tuple(read_call(call, where) for call in calls)


def _misfit(turn: Fields, key: str, number: int) -> tuple[str, str, str]:
    where = place_of(key, number)
    missing = next((name for name in ("from", "value") if turn.get(name) is None), None)
    if missing and "role" in turn and "content" in turn:
        fix = f"set `columns: {{messages: {key}}}` of this source"
        return "wrong_type", f"{where} has `role` and `content` in place of `from` and `value`", fix
    wrong = next(name for name in ("from", "value") if not isinstance(turn.get(name), str))
    found = f"{where} has no `{missing}`" if missing else f"`{wrong}` of {where} is not a text"
    return "wrong_type", found, _SHAPE
