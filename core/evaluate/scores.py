"""What is noted of one answer and of one row."""

from __future__ import annotations

from dataclasses import dataclass

from core.evaluate.rouge import rouge_l
from core.evaluate.structured import parse_structured, same_json


@dataclass(frozen=True)
class Answer:
    """What a subject generated: its text, its length in tokens, and whether it ended by itself."""

    text: str
    tokens: int
    stopped: bool


@dataclass(frozen=True)
class RowLoss:
    """Negative log-likelihood in nats, summed over `tokens` assistant tokens of one row.

    The stop token of every turn is one of them.
    """

    nats: float
    tokens: int


@dataclass(frozen=True)
class Score:
    """An answer against its reference. `exact` and `valid_json` are None unless that is structured."""

    rouge_l: float
    exact: bool | None
    valid_json: bool | None
    stopped: bool
    tokens: int


def score(answer: Answer, reference: str) -> Score:
    """Compare one answer with its reference."""
    wanted = parse_structured(reference)
    given = parse_structured(answer.text) if wanted is not None else None
    return Score(
        rouge_l=rouge_l(answer.text, reference),
        exact=None if wanted is None else given is not None and same_json(given, wanted),
        valid_json=None if wanted is None else given is not None,
        stopped=answer.stopped,
        tokens=answer.tokens,
    )
