"""What a conversation must be to be trained on. Looks at words only; lengths need a tokenizer."""

from __future__ import annotations

from collections.abc import Sequence

from core.data.rows import Place, Problem
from serve.chat import Message

# Names that other tools give to the roles.
_OTHER_NAMES = {
    "human": "user",
    "gpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "ai": "assistant",
    "developer": "system",
}
_ROLES = ("system", "user", "assistant")


def check_conversation(messages: Sequence[Message], place: Place) -> Problem | None:
    """The first thing that keeps a conversation from being trained on, or None."""
    return (
        _check_text(messages, place)
        or _check_roles(messages, place)
        or _check_answers(messages, place)
        or _check_order(messages, place)
    )


def _check_text(messages: Sequence[Message], place: Place) -> Problem | None:
    for number, message in enumerate(messages, 1):
        for name, text in (("role", message.role), ("content", message.content)):
            try:
                text.encode("utf-8")
            except UnicodeEncodeError:
                what = f"the {name} of turn {number} holds half a character (a lone surrogate)"
                return Problem("lone_surrogate", place, what, "write the whole character")
            if "\0" in text:
                return Problem(
                    "nul_character", place, f"the {name} of turn {number} holds a NUL character", "remove it"
                )
    return None


def _check_roles(messages: Sequence[Message], place: Place) -> Problem | None:
    for number, message in enumerate(messages, 1):
        if message.role in _ROLES:
            continue
        what = f"turn {number} has the role {message.role!r}"
        better = _OTHER_NAMES.get(message.role.lower())
        if message.role == "tool":
            return Problem(
                "not_supported", place, what, "conversations with tools cannot be trained yet: remove the row"
            )
        return Problem(
            "unknown_role", place, what, f"write {better!r}" if better else f"use {', '.join(_ROLES)}"
        )
    return None


def _check_answers(messages: Sequence[Message], place: Place) -> Problem | None:
    if not any(message.role == "assistant" for message in messages):
        return Problem(
            "no_answer", place, "the conversation has no assistant turn", "add the answer, or remove the row"
        )
    if messages[-1].role != "assistant":
        what = f"the conversation ends with a {messages[-1].role} turn"
        return Problem("unanswered", place, what, "add the answer, or remove the turn")
    for number, message in enumerate(messages, 1):
        if not message.content.strip() and message.role != "system":
            what = f"turn {number} ({message.role}) is empty"
            return Problem("empty_turn", place, what, "write its text, or remove the row")
    return None


def _check_order(messages: Sequence[Message], place: Place) -> Problem | None:
    rest = messages[1:] if messages[0].role == "system" else messages
    first = len(messages) - len(rest) + 1
    for offset, message in enumerate(rest):
        expected = ("user", "assistant")[offset % 2]
        if message.role == expected:
            continue
        what = f"turn {first + offset} has the role {message.role} where {expected} is expected"
        fix = (
            "put the one system turn first"
            if message.role == "system"
            else "let user and assistant take turns"
        )
        return Problem("wrong_order", place, what, fix)
    return None
