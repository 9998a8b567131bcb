"""The proof that a mask is right: the trained tokens are decoded and compared with what was said.

The masks come from positions that the renderer reports, never from looking for pad or
stop ids: on many models pad, end of text and end of turn are one token.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from core.data.rows import shorten
from serve.chat import ChatFormat, Message
from serve.script import says_call

Span = tuple[int, int]


@dataclass(frozen=True)
class Masked:
    """One rendered conversation: its turns, its ids, and the half-open spans of ids that carry loss."""

    messages: Sequence[Message]
    ids: Sequence[int]
    spans: Sequence[Span]


def check_masks(rows: Sequence[Masked], chat: ChatFormat) -> list[str | None]:
    """What is wrong with each row, or None: every span must be one assistant turn and its stop token."""
    misplaced = [_misplaced(row, chat) for row in rows]
    inner = [
        list(row.ids[start : end - 1])
        for row, wrong in zip(rows, misplaced, strict=True)
        if wrong is None
        for start, end in row.spans
    ]
    # Control tokens are left out when decoding: one inside of an answer would be missed there.
    decoded = iter(chat.decode_many(inner))
    return [
        _misread(row, [next(decoded) for _ in row.spans]) if wrong is None else wrong
        for row, wrong in zip(rows, misplaced, strict=True)
    ]


def _misplaced(row: Masked, chat: ChatFormat) -> str | None:
    answers = sum(message.role == "assistant" for message in row.messages)
    if len(row.spans) != answers:
        return f"the mask has {len(row.spans)} spans for {answers} answers"
    end_before = 0
    for number, (start, end) in enumerate(row.spans, 1):
        if not end_before <= start < end <= len(row.ids):
            return f"the mask of answer {number} is not a span of the row"
        end_before = end
        if row.ids[end - 1] not in chat.stop_ids:
            return f"the last trained token of answer {number} is no stop token"
    return None


def _misread(row: Masked, decoded: Sequence[str]) -> str | None:
    answers = [message for message in row.messages if message.role == "assistant"]
    for number, (answer, text) in enumerate(zip(answers, decoded, strict=True), 1):
        for call in answer.tool_calls:
            if not says_call(text, {"name": call.name, "arguments": call.arguments}):
                return f"the trained tokens of answer {number} lack the call of {shorten(call.name, 40)}"
        if not (_holds(text, answer.content) if answer.tool_calls else _same(text, answer.content)):
            found, expected = shorten(text, 40), shorten(answer.content, 40)
            return f"the trained tokens of answer {number} read {found!r} and not {expected!r}"
    return None


def _same(decoded: str, answer: str) -> bool:
    """Equal but for what is no mistake of the mask.

    Templates put spaces around an answer or trim it, and tokenizers bring text into one
    Unicode form. A line break before the answer belongs to the prompt and is a mistake.
    """
    if decoded == answer:
        return True
    trimmed = {cut.strip(" ") for text in _forms(answer) for cut in (text, text.strip("\n"), text.strip())}
    return decoded.strip(" ") in trimmed


def _holds(decoded: str, words: str) -> bool:
    """Whether the words that stand beside an answer's calls are there."""
    return any(form.strip() in decoded for form in _forms(words))


def _forms(text: str) -> set[str]:
    return {text, *(unicodedata.normalize(form, text) for form in ("NFC", "NFKC"))}
