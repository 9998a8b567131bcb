"""What is asked: every assistant turn of the test rows, with the true history before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.evaluate.structured import parse_structured
from core.models.dataset import Row
from serve.chat import ChatFormat, Message


@dataclass(frozen=True)
class Prompt:
    """One question with its reference answer.

    `row` is the position of its row among the test rows, `turn` the position of the
    answer among the row's messages. `ids` is the rendered history up to where the
    answer begins. `structured` says that the reference is a JSON object or array.
    """

    row: int
    turn: int
    history: tuple[Message, ...]
    reference: str
    ids: tuple[int, ...]
    structured: bool

    @property
    def question(self) -> str:
        """The last message before the answer, for people."""
        return self.history[-1].content


def make_prompts(rows: Sequence[Row], chat: ChatFormat) -> list[Prompt]:
    """The prompts of `rows`, in order; an answer with nothing before it is not one."""
    return [
        _prompt(position, row, turn, chat)
        for position, row in enumerate(rows)
        for turn, message in enumerate(row.messages)
        if message.role == "assistant" and turn > 0
    ]


def _prompt(position: int, row: Row, turn: int, chat: ChatFormat) -> Prompt:
    history, reference = row.messages[:turn], row.messages[turn].content
    return Prompt(
        row=position,
        turn=turn,
        history=tuple(history),
        reference=reference,
        ids=tuple(chat.render(history, add_generation_prompt=True).ids),
        structured=parse_structured(reference) is not None,
    )
