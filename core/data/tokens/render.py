"""Rows to token ids and masks, and what becomes of rows that are too long.

Of a conversation the assistant turns and the stop token after each are trained, of a
plain text all of it and the token that ends it.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from core.data.rows import Place, Problem
from core.data.tokens.masks import Masked, Span, check_masks
from core.models.examples import Conversation, Example, Kind, PlainText
from serve.chat import ChatFormat, Rendered
from tunery.errors import BadInput

TooLong = Literal["refuse", "drop", "truncate"]

# What learns from the kinds of rows that are not rendered here.
_METHODS: dict[Kind, str] = {
    "classification": "a text with a label, which method classify learns from",
    "preference": "a preference pair, which methods dpo, orpo and reward learn from",
    "unpaired": "a judged answer, which method kto learns from",
    "prompt": "a prompt without an answer, which methods grpo and rloo learn from",
}


@dataclass(frozen=True)
class RenderedRow:
    """Ids of one row (4 bytes each), and the half-open spans of them that carry loss.

    `cut` is how many turns after the system turn were removed to make it fit.
    """

    ids: array[int]
    spans: list[Span]
    cut: int = 0

    @property
    def trained(self) -> int:
        """How many ids carry loss."""
        return sum(end - start for start, end in self.spans)


@dataclass(frozen=True)
class _Fitting:
    """A conversation short enough, and where its ids are to go."""

    position: int
    place: Place
    conversation: Conversation
    rendered: Rendered
    cut: int


class RowRenderer:
    """Renders rows for one model.

    `max_length` is train.max_length and `context_length` the model's, in tokens. With
    `too_long="truncate"` a conversation that is longer loses its oldest questions and
    answers, never the system turn, the last question or anything of its answers.
    """

    def __init__(self, chat: ChatFormat, *, max_length: int, context_length: int, too_long: TooLong) -> None:
        self._chat = chat
        self._max_length = max_length
        self._context_length = context_length
        self._truncates = too_long == "truncate"

    def render(self, rows: Sequence[tuple[Example, Place]]) -> list[RenderedRow | Problem]:
        """Ids and checked mask of each row, or why it cannot be trained on."""
        results: dict[int, RenderedRow | Problem] = {}
        talks: list[tuple[int, Conversation, Place]] = []
        for position, (example, place) in enumerate(rows):
            if isinstance(example, Conversation):
                talks.append((position, example, place))
            elif isinstance(example, PlainText):
                results[position] = self._text(example, place)
            else:
                results[position] = _other_method(example, place)
        fitting = []
        rendered = self._chat.render_many(talk for _, talk, _ in talks)
        for (position, talk, place), result in zip(talks, rendered, strict=True):
            found = self._fit(position, talk, place, result)
            if isinstance(found, Problem):
                results[position] = found
            else:
                fitting.append(found)
        results |= self._checked(fitting)
        return [results[position] for position in range(len(rows))]

    def _fit(
        self, position: int, talk: Conversation, place: Place, result: Rendered | BadInput
    ) -> _Fitting | Problem:
        if isinstance(result, BadInput):
            return Problem("not_renderable", place, str(result), "or remove the row")
        problem = self._too_long(len(result.ids), place, "the conversation is")
        if problem is None:
            return _Fitting(position, place, talk, result, 0)
        return self._cut(position, talk, place, problem) if self._truncates else problem

    def _cut(self, position: int, talk: Conversation, place: Place, problem: Problem) -> _Fitting | Problem:
        """Remove as few of the oldest questions and answers as will do."""
        begins = _questions(talk)
        best: _Fitting | None = None
        low, high = 0, len(begins) - 1
        # The last question alone first: without it nothing helps.
        at = high
        while low <= high:
            shorter = _from_turn(talk, begins[at])
            (result,) = self._chat.render_many([shorter])
            if isinstance(result, BadInput):
                return Problem("not_renderable", place, str(result), "or remove the row")
            long = self._too_long(len(result.ids), place, "the last question with its answer is")
            if long is None:
                best = _Fitting(position, place, shorter, result, len(talk.messages) - len(shorter.messages))
                high = at - 1
            elif best is None:
                return replace(long, code="answer_too_long")
            else:
                low = at + 1
            at = (low + high) // 2
        return problem if best is None else best

    def _checked(self, fitting: Sequence[_Fitting]) -> dict[int, RenderedRow | Problem]:
        masked = [
            Masked(item.conversation.messages, item.rendered.ids, item.rendered.assistant) for item in fitting
        ]
        return {
            item.position: RenderedRow(array("i", item.rendered.ids), item.rendered.assistant, item.cut)
            if wrong is None
            else Problem("wrong_mask", item.place, wrong, "use another base model, or remove the row")
            for item, wrong in zip(fitting, check_masks(masked, self._chat), strict=True)
        }

    def _text(self, example: PlainText, place: Place) -> RenderedRow | Problem:
        eos = self._chat.eos_id
        if eos is None:
            what = "the model's tokenizer names no eos_token, so no text could be ended"
            return Problem("not_renderable", place, what, "use another base model, or remove the row")
        try:
            (ids,) = self._chat.encode_texts([example.text])
        except BadInput as error:
            return Problem("not_renderable", place, str(error), "or remove the row")
        begin = self._chat.text_prefix
        whole = array("i", [*begin, *ids, eos])
        problem = self._too_long(len(whole), place, "the text is")
        if problem is None:
            return RenderedRow(whole, [(len(begin), len(whole))])
        return replace(problem, fix="write it as shorter rows, or raise train.max_length")

    def _too_long(self, length: int, place: Place, what: str) -> Problem | None:
        if length > self._context_length:
            what = f"{what} {length} tokens long and the model reads at most {self._context_length}"
            fix = "shorten it, or choose a base model with a longer context"
            return Problem("longer_than_context", place, what, fix)
        if length > self._max_length:
            what = f"{what} {length} tokens long and train.max_length is {self._max_length}"
            return Problem("longer_than_max_length", place, what, "shorten it, or raise train.max_length")
        return None


def _questions(talk: Conversation) -> list[int]:
    """Where a shorter conversation may begin: at every question but the first, which follows an answer."""
    turns = talk.messages
    begins = [at for at in range(1, len(turns)) if turns[at].role == "user" and turns[at - 1].role != "user"]
    first = next((at for at, turn in enumerate(turns) if turn.role == "user"), len(turns))
    return [at for at in begins if at > first] or [0]


def _from_turn(talk: Conversation, at: int) -> Conversation:
    head = talk.messages[:1] if talk.messages[0].role == "system" else ()
    return replace(talk, messages=(*head, *talk.messages[max(at, len(head)) :]))


def _other_method(example: Example, place: Place) -> Problem:
    what = f"it is {_METHODS[example.kind]}, and train.method sft does not"
    return Problem("other_method", place, what, "take rows of this kind out of the recipe's sources")
