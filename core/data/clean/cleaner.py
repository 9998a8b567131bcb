"""Change or drop one row, as the recipe's `data.clean` says. What needs other rows is done elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from core.data.clean.spoken import check_languages, spoken
from core.data.clean.unicode_form import tidy
from core.models.examples import Conversation, Example, Preference, Unpaired, prompt_of
from core.recipe.data import Clean
from serve.chat import Message

Redact = Callable[[Example], tuple[Example, Counter[str]]]


@dataclass(frozen=True)
class Cleaned:
    """A row after cleaning.

    `example` is None where the row is dropped; `reason` then says why, as a code of
    `core.data.lint.findings`. `changes` counts what was done to a row that stays:
    "trimmed" turns, texts brought into one "unicode" form, answers that lost "whitespace", and
    values of each kind of personal data that were replaced.
    """

    example: Example | None
    changes: Counter[str] = field(default_factory=Counter)
    reason: str | None = None


class Cleaner:
    """Cleans rows one by one. Equal rows come out equal, in any order and any process."""

    def __init__(self, section: Clean, redact: Redact | None) -> None:
        """`redact` replaces personal data, where the section asks for it.

        Raises BadInput for a language that cannot be told.
        """
        self._section = section
        self._redact = redact
        if section.languages:
            check_languages(section.languages)

    def clean(self, example: Example) -> Cleaned:
        """The row as it goes on, or why it does not.

        A conversation that ends with a question comes back unchanged where the section
        refuses those, and where trimming it would leave nothing to learn.
        """
        changes: Counter[str] = Counter()
        if self._section.unanswered != "refuse" and _is_unanswered(example):
            if self._section.unanswered == "drop":
                return Cleaned(None, reason="unanswered")
            example = _trim(example, changes)
        if self._section.unicode != "keep":
            example = _one_form(example, self._section.unicode, changes)
        if self._section.whitespace == "strip":
            example = _without_space_around(example, changes)
        reason = self._unwanted(example)
        if reason is not None:
            return Cleaned(None, reason=reason)
        if self._redact is not None:
            example, found = self._redact(example)
            changes.update(found)
        return Cleaned(example, changes)

    def _unwanted(self, example: Example) -> str | None:
        """The filter that the row does not pass, or None. The cheap ones come first."""
        section = self._section
        if section.min_answer_characters and _answer_length(example) < section.min_answer_characters:
            return "short_answer"
        if section.max_characters is not None and _length(example) > section.max_characters:
            return "long_row"
        if section.languages and not _is_spoken_in(example, section.languages):
            return "other_language"
        return None


def _is_unanswered(example: Example) -> bool:
    return (
        isinstance(example, Conversation)
        and bool(example.messages)
        and example.messages[-1].role != "assistant"
    )


def _trim(example: Example, changes: Counter[str]) -> Example:
    """The conversation up to its last answer, or all of it where it has none."""
    if not isinstance(example, Conversation):
        return example
    answers = [number for number, turn in enumerate(example.messages, 1) if turn.role == "assistant"]
    if not answers:
        return example
    changes["trimmed"] = len(example.messages) - answers[-1]
    return replace(example, messages=example.messages[: answers[-1]])


def _one_form(example: Example, form: str, changes: Counter[str]) -> Example:
    def change(text: str) -> str:
        tidied = tidy(text, "nfc" if form == "nfc" else "nfkc")
        if tidied != text:
            changes["unicode"] += 1
        return tidied

    changed = example.changed(change)
    return changed if changes["unicode"] else example


def _without_space_around(example: Example, changes: Counter[str]) -> Example:
    """The answers without white space before and after them."""

    def strip(turns: tuple[Message, ...]) -> tuple[Message, ...]:
        stripped = tuple(
            replace(turn, content=turn.content.strip()) if turn.role == "assistant" else turn
            for turn in turns
        )
        changes["whitespace"] += sum(a.content != b.content for a, b in zip(turns, stripped, strict=True))
        return stripped

    if isinstance(example, Conversation):
        changed: Example = replace(example, messages=strip(example.messages))
    elif isinstance(example, Preference):
        changed = replace(example, chosen=strip(example.chosen), rejected=strip(example.rejected))
    elif isinstance(example, Unpaired):
        changed = replace(example, completion=strip(example.completion))
    else:
        return example
    if not changes["whitespace"]:
        del changes["whitespace"]
        return example
    return changed


def _answer(example: Example) -> tuple[Message, ...] | None:
    """The turns that are learned, or None for a kind of row without an answer."""
    if isinstance(example, Conversation):
        return example.messages[-1:]
    if isinstance(example, Preference):
        return example.chosen
    return example.completion if isinstance(example, Unpaired) else None


def _answer_length(example: Example) -> float:
    """Characters of the last answer; endless where there is none, or it calls a tool instead of talking."""
    turns = _answer(example)
    if not turns or turns[-1].tool_calls:
        return float("inf")
    return len(turns[-1].content.strip())


def _length(example: Example) -> int:
    return sum(len(turn.content) for turn in example.turns())


def _is_spoken_in(example: Example, languages: tuple[str, ...]) -> bool:
    """Whether neither the prompt nor the answer is surely in another language."""
    for turns in (prompt_of(example), _answer(example) or ()):
        language = spoken("\n".join(turn.content for turn in turns if turn.role != "system"))
        if language is not None and language not in languages:
            return False
    return True
