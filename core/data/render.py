"""Rows to token ids and masks, and the proof that the masks are right.

A row is trained on its assistant turns and the stop token after each, nothing else.
The masks come from positions that the renderer reports, never from looking for pad or
stop ids: on many models pad, end of text and end of turn are one token.
"""

from __future__ import annotations

import unicodedata
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.data.rows import Place, Problem, shorten
from core.models.dataset import Row
from serve.chat import ChatFormat, Message
from tunery.errors import BadInput

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class RenderedRow:
    """Ids of one conversation (4 bytes each), and the half-open spans of them that carry loss."""

    ids: array[int]
    spans: list[tuple[int, int]]

    @property
    def trained(self) -> int:
        """How many ids carry loss."""
        return sum(end - start for start, end in self.spans)


def render_row(
    row: Row, place: Place, chat: ChatFormat, *, max_length: int, context_length: int
) -> RenderedRow | Problem:
    """Render and check one row.

    `max_length` is train.max_length and `context_length` the model's, in tokens.
    """
    try:
        rendered = chat.render(row.messages, add_generation_prompt=False)
    except BadInput as error:
        return Problem("not_renderable", place, str(error), "or remove the row")
    length = len(rendered.ids)
    if length > context_length:
        what = f"the conversation is {length} tokens long and the model reads at most {context_length}"
        return Problem(
            "longer_than_context", place, what, "shorten it, or choose a base model with a longer context"
        )
    if length > max_length:
        what = f"the conversation is {length} tokens long and train.max_length is {max_length}"
        return Problem("longer_than_max_length", place, what, "shorten it, or raise train.max_length")
    wrong = check_spans(row.messages, rendered.ids, rendered.assistant, chat)
    if wrong is not None:
        return Problem(
            "wrong_mask",
            place,
            wrong,
            "use another base model, or remove the row",
        )
    return RenderedRow(array("i", rendered.ids), rendered.assistant)


def check_spans(
    messages: Sequence[Message], ids: Sequence[int], spans: Sequence[tuple[int, int]], chat: ChatFormat
) -> str | None:
    """What is wrong with the spans, or None: each must be one assistant turn and its stop token."""
    answers = [message.content for message in messages if message.role == "assistant"]
    if len(spans) != len(answers):
        return f"the mask has {len(spans)} spans for {len(answers)} answers"
    end_before = 0
    for number, (answer, (start, end)) in enumerate(zip(answers, spans, strict=True), 1):
        if not end_before <= start < end <= len(ids):
            return f"the mask of answer {number} is not a span of the row"
        end_before = end
        if ids[end - 1] not in chat.stop_ids:
            return f"the last trained token of answer {number} is no stop token"
        # Control tokens are left out when decoding: one inside of the span would be missed here.
        decoded = chat.decode(list(ids[start : end - 1]), skip_special=True)
        if not _same_text(decoded, answer):
            found, expected = shorten(decoded, 40), shorten(answer, 40)
            return f"the trained tokens of answer {number} read {found!r} and not {expected!r}"
    return None


def _same_text(decoded: str, answer: str) -> bool:
    """Equal but for what is no mistake of the mask.

    Templates put spaces around an answer or trim it, and tokenizers bring text into one
    Unicode form. A line break before the answer belongs to the prompt and is a mistake.
    """
    forms = {answer, *(unicodedata.normalize(form, answer) for form in ("NFC", "NFKC"))}
    trimmed = {cut.strip(" ") for text in forms for cut in (text, text.strip("\n"), text.strip())}
    return decoded.strip(" ") in trimmed


class TokenBuffer:
    """Collects rendered rows end to end in flat arrays: 5 bytes a token."""

    def __init__(self) -> None:
        self._ids = array("i")
        self._trained = bytearray()
        self._offsets = array("q", [0])

    def add(self, row: RenderedRow) -> None:
        begin = len(self._ids)
        self._ids.extend(row.ids)
        self._trained.extend(bytes(len(row.ids)))
        for start, end in row.spans:
            self._trained[begin + start : begin + end] = b"\1" * (end - start)
        self._offsets.append(len(self._ids))

    def to_arrays(self) -> tuple[Any, Any, Any]:
        """ids (int32), trained (bool) and offsets (int64, one more than rows): see `write_tokens`."""
        import numpy as np

        ids: np.ndarray[Any, Any] = np.frombuffer(self._ids, dtype=np.int32)
        trained = np.frombuffer(self._trained, dtype=np.bool_)
        return ids, trained, np.frombuffer(self._offsets, dtype=np.int64)
