"""What an example must be to be trained on. Looks at words only; lengths need a tokenizer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from core.data.rows import Place, Problem
from core.models.examples import Conversation, Example, Labelled, PlainText, Preference, Prompt, Unpaired
from serve.chat import Message

_ROLES = ("system", "user", "assistant", "tool")
# Names that other tools give to the roles.
_OTHER_NAMES = {
    "human": "user",
    "gpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "ai": "assistant",
    "developer": "system",
    "function": "tool",
    "observation": "tool",
}


def check_example(example: Example, place: Place) -> Problem | None:
    """The first thing that keeps an example from being trained on, or None.

    A conversation has the code "unanswered" only where cutting its last turn off leaves
    nothing else to complain about.
    """
    if isinstance(example, Conversation):
        return check_conversation(example.messages, place) or _check_tools(example, place)
    if isinstance(example, Preference):
        return _check_preference(example, place)
    if isinstance(example, Unpaired):
        return _check_answer(example.prompt, example.completion, "completion", place)
    if isinstance(example, Prompt):
        return _check_prompt(example, place)
    return _check_words(example, place)


def check_conversation(messages: Sequence[Message], place: Place) -> Problem | None:
    """The first thing that keeps a conversation from being trained on, or None."""
    return (
        _check_texts(messages, place)
        or _check_roles(messages, place)
        or _check_answers(messages, place)
        or _check_order(messages, place)
        or _check_end(messages, place)
    )


def _check_preference(example: Preference, place: Place) -> Problem | None:
    problem = _check_answer(example.prompt, example.chosen, "chosen", place)
    problem = problem or _check_answer(example.prompt, example.rejected, "rejected", place)
    if problem is None and example.chosen == example.rejected:
        what = "`chosen` and `rejected` are equal, so that neither is preferred"
        return _problem("no_preference", place, what, "make them differ")
    return problem


def _check_answer(
    prompt: Sequence[Message], answer: Sequence[Message], name: str, place: Place
) -> Problem | None:
    """The prompt and one way to go on, as a conversation of its own."""
    if not prompt:
        return _problem("no_prompt", place, "the prompt has no turn", "add the prompt")
    if not answer:
        return _problem("no_answer", place, f"`{name}` has no turn", "add the answer")
    problem = check_conversation((*prompt, *answer), place)
    if problem is not None and problem.code == "unanswered":
        # Nothing can be cut off here: what is left would not be what was judged.
        return _problem("no_answer", place, f"`{name}` does not end with an answer", "add the answer")
    if problem is not None:
        return replace(problem, what=f"in the prompt followed by `{name}`, {problem.what}")
    if answer[0].role != "assistant":
        what = f"`{name}` begins with a {answer[0].role} turn"
        return _problem("wrong_order", place, what, "move what comes before the answer into the prompt")
    return None


def _check_prompt(example: Prompt, place: Place) -> Problem | None:
    turns = example.prompt
    if not turns:
        return _problem("no_prompt", place, "the prompt has no turn", "add the prompt")
    problem = (
        _check_texts(turns, place)
        or _check_text(example.reference or "", "the reference", place)
        or _check_roles(turns, place)
        or _check_empty(turns, place)
        or _check_order(turns, place)
    )
    if problem is None and turns[-1].role not in ("user", "tool"):
        what = f"the prompt ends with the role {turns[-1].role}, which leaves nothing to answer"
        return _problem("no_prompt", place, what, "end it with a user turn")
    return problem


def _check_words(example: PlainText | Labelled, place: Place) -> Problem | None:
    if not example.text.strip():
        return _problem("empty_text", place, "the text is empty", "write it")
    problem = _check_text(example.text, "the text", place)
    if isinstance(example, PlainText) or problem is not None:
        return problem
    if not example.labels:
        fix = "write one, such as none for a text that is in no class"
        return _problem("empty_label", place, "the list of labels is empty", fix)
    for label in example.labels:
        if not label.strip():
            return _problem("empty_label", place, "a label is empty", "write it")
        if _damage(label):
            return _check_text(label, "a label", place)
    return None


def _check_tools(example: Conversation, place: Place) -> Problem | None:
    for text in chain.from_iterable(map(_strings, example.tools)):
        if _damage(text):
            return _check_text(text, "a text in `tools`", place)
    return None


def _check_texts(messages: Sequence[Message], place: Place) -> Problem | None:
    for number, message in enumerate(messages, 1):
        if _damage(message.content):
            return _check_text(message.content, f"the content of turn {number}", place)
        if message.plain:
            continue
        calls = chain.from_iterable(_strings(call.to_dict()) for call in message.tool_calls)
        for text in (*calls, message.name or "", message.tool_call_id or ""):
            if _damage(text):
                return _check_text(text, f"a tool call or a tool's name in turn {number}", place)
    return None


def _check_text(text: str, name: str, place: Place) -> Problem | None:
    damage = _damage(text)
    if damage == "lone_surrogate":
        what = f"{name} holds half a character (a lone surrogate)"
        return _problem(damage, place, what, "write the whole character")
    if damage == "nul_character":
        return _problem(damage, place, f"{name} holds a NUL character", "remove it")
    return None


def _damage(text: str) -> str | None:
    """The code of what makes a text impossible to tokenize or to store."""
    if "\0" in text:
        return "nul_character"
    if text.isascii():
        return None
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "lone_surrogate"
    return None


def _strings(value: Any) -> Iterator[str]:
    """All texts in a JSON value, keys as well."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _check_roles(messages: Sequence[Message], place: Place) -> Problem | None:
    for number, message in enumerate(messages, 1):
        if message.role not in _ROLES:
            better = _OTHER_NAMES.get(message.role.lower())
            fix = f"write {better!r}" if better else f"use {', '.join(_ROLES)}"
            return _problem("unknown_role", place, f"turn {number} has the role {message.role[:40]!r}", fix)
        if message.tool_calls and message.role != "assistant":
            what = f"turn {number} ({message.role}) calls tools"
            return _problem("misplaced_call", place, what, "let the assistant call them")
    return None


def _check_answers(messages: Sequence[Message], place: Place) -> Problem | None:
    if not any(message.role == "assistant" for message in messages):
        return _problem("no_answer", place, "the conversation has no assistant turn", "add the answer")
    return _check_empty(messages, place)


def _check_empty(messages: Sequence[Message], place: Place) -> Problem | None:
    """A system may say nothing, a tool may find nothing, and an assistant may call without a word."""
    for number, message in enumerate(messages, 1):
        if message.content and not message.content.isspace():
            continue
        if message.role in ("user", "assistant") and not message.tool_calls:
            what = f"turn {number} ({message.role}) is empty"
            return _problem("empty_turn", place, what, "write its text")
    return None


def _check_order(messages: Sequence[Message], place: Place) -> Problem | None:
    """System first; then user and assistant by turns, and the tools' answers after the calls."""
    expected: tuple[str, ...] = ("system", "user")
    calls: list[str | None] = []
    for number, message in enumerate(messages, 1):
        role = message.role
        if role not in expected:
            return _out_of_order(role, expected[-1], number, place)
        if role == "assistant":
            calls = [call.id for call in message.tool_calls]
            expected = ("tool",) if calls else ("user",)
        elif role == "tool":
            if not _answers(message, calls):
                made_up = (message.tool_call_id or "")[:40]
                what = f"turn {number} (tool) answers the call {made_up!r}, which was not made"
                return _problem("unknown_call", place, what, "give it the `id` of the call before it")
            expected = ("tool", "assistant") if calls else ("assistant",)
        else:
            expected = ("user",) if role == "system" else ("assistant",)
    return None


def _answers(message: Message, calls: list[str | None]) -> bool:
    """Strike the call that a tool turn answers off the list; False when there is no such call."""
    if message.tool_call_id is None or None in calls:
        calls.pop(0)
        return True
    if message.tool_call_id not in calls:
        return False
    calls.remove(message.tool_call_id)
    return True


def _out_of_order(role: str, expected: str, number: int, place: Place) -> Problem:
    what = f"turn {number} has the role {role} where {expected} is expected"
    fix = {
        "system": "put the one system turn first",
        "tool": "let a tool answer only an assistant turn that calls it with `tool_calls`",
    }.get(role, "let a tool answer every call" if expected == "tool" else "let user and assistant take turns")
    return _problem("wrong_order", place, what, fix)


def _check_end(messages: Sequence[Message], place: Place) -> Problem | None:
    last = messages[-1].role
    if last == "assistant":
        return None
    what = f"the conversation ends with a {last} turn"
    return Problem("unanswered", place, what, "add the answer, or set data.clean.unanswered: trim")


def _problem(code: str, place: Place, what: str, fix: str) -> Problem:
    return Problem(code, place, what, f"{fix}, or set data.clean.bad_rows: drop")
