"""Look at one row for what is odd in it. Fast enough to be done for every row, always."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.data.lint.answers import (
    is_cut,
    is_placeholder,
    loops,
    machine_phrase_at,
    much_alike,
    repeats_prompt,
)
from core.data.lint.damage import damaged_at, invisible_at
from core.data.lint.languages import answers_in_another_language
from core.data.lint.leftovers import KNOWN_CONTROLS, control_pattern, entity_at, escape_at
from core.data.rows import shorten
from core.models.examples import Conversation, Example, Preference, Turns, Unpaired
from serve.chat import Message

__all__ = ["KNOWN_CONTROLS", "Linter", "Seen"]


@dataclass(frozen=True)
class Seen:
    """One odd thing in one row: its code in `FINDINGS`, and a piece of the row that shows it."""

    code: str
    text: str


# Characters of a text before and after what is shown of it.
_BEFORE, _AFTER = 30, 50


class Linter:
    """Finds in rows, one by one, what a person would want to know before training on them."""

    def __init__(self, controls: Sequence[str] = KNOWN_CONTROLS) -> None:
        """`controls` are the base model's control tokens; without a model, those of the common families."""
        self._controls = control_pattern(controls)

    def look(self, example: Example) -> list[Seen]:
        """Each kind of oddity once, with the first piece that shows it; sorted by code."""
        seen: dict[str, str] = {}
        for turn in example.turns():
            for text in _texts(turn):
                self._look_at_text(text, seen)
        for prompt, answer in _learned(example):
            _look_at_answer(prompt, answer, seen)
        if isinstance(example, Preference):
            _look_at_pair(example, seen)
        return [Seen(code, seen[code]) for code in sorted(seen)]

    def _look_at_text(self, text: str, seen: dict[str, str]) -> None:
        control = self._controls.search(text)
        _note(seen, "control_token", text, None if control is None else control.start())
        _note(seen, "html_entity", text, entity_at(text))
        _note(seen, "spelled_escape", text, escape_at(text))
        _note(seen, "encoding_damage", text, damaged_at(text))
        _note(seen, "invisible_character", text, invisible_at(text))


def _look_at_answer(prompt: str, answer: str, seen: dict[str, str]) -> None:
    if answer[:1].isspace():
        seen.setdefault("leading_space", repr(answer[:40]))
    if repeats_prompt(prompt, answer):
        seen.setdefault("repeats_prompt", shorten(answer))
    if is_placeholder(prompt, answer):
        seen.setdefault("placeholder", shorten(answer))
    if is_cut(answer):
        _note(seen, "cut_answer", answer, len(answer))
    if loops(answer):
        _note(seen, "repeated_text", answer, len(answer))
    if answers_in_another_language(prompt, answer):
        seen.setdefault("mixed_languages", f"{shorten(prompt, 40)} → {shorten(answer, 40)}")
    _note(seen, "machine_phrase", answer, machine_phrase_at(answer))


def _look_at_pair(pair: Preference, seen: dict[str, str]) -> None:
    if pair.chosen and pair.rejected and much_alike(pair.chosen[-1].content, pair.rejected[-1].content):
        seen["much_alike"] = shorten(pair.rejected[-1].content)


def _note(seen: dict[str, str], code: str, text: str, position: int | None) -> None:
    if position is not None and code not in seen:
        seen[code] = _around(text, position)


def _around(text: str, position: int) -> str:
    """One printable line of the text around `position`, for a person to recognise the place."""
    start, end = max(0, position - _BEFORE), position + _AFTER
    return f"{'…' if start else ''}{shorten(text[start:end])}{'…' if end < len(text) else ''}"


def _learned(example: Example) -> Iterator[tuple[str, str]]:
    """Each answer that is trained as a good one, with the question before it."""
    if isinstance(example, Conversation):
        yield from _answers(example.messages, "")
    elif isinstance(example, Preference):
        yield from _answers(example.chosen, _last_question(example.prompt))
    elif isinstance(example, Unpaired) and example.good:
        yield from _answers(example.completion, _last_question(example.prompt))


def _answers(turns: Turns, question: str) -> Iterator[tuple[str, str]]:
    for turn in turns:
        if turn.role == "user":
            question = turn.content
        elif turn.role == "assistant" and turn.content:
            yield question, turn.content


def _last_question(prompt: Turns) -> str:
    return next((turn.content for turn in reversed(prompt) if turn.role == "user"), "")


def _texts(turn: Message) -> Sequence[str]:
    """What the turn says, and the texts in the calls that it makes."""
    if not turn.tool_calls:
        return (turn.content,)
    found: list[str] = []

    def collect(text: str) -> str:
        found.append(text)
        return text

    turn.changed(collect)
    return found
