"""One line of `rows.jsonl` a row: what every subject answered, and how it scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from core.evaluate.axes import BASE, TUNED
from core.evaluate.prompts import Prompt
from core.evaluate.scores import Answer, RowLoss, Score
from core.models.dataset import Row

SHOWN = 10


@dataclass(frozen=True)
class Side:
    """One answer of every subject beside its reference; lists and mappings go by subject name."""

    prompt: Prompt
    answers: Mapping[str, Answer]
    scores: Mapping[str, Score]


def row_record(row: Row, sides: Sequence[Side], losses: Mapping[str, RowLoss]) -> dict[str, Any]:
    """The JSON object of one row."""
    return {
        "id": row.id,
        "source": row.source,
        "line": row.line,
        "loss": {name: asdict(loss) for name, loss in losses.items()},
        "answers": [_answer_record(side) for side in sides],
    }


def _answer_record(side: Side) -> dict[str, Any]:
    return {
        "turn": side.prompt.turn,
        "prompt": [message.to_dict() for message in side.prompt.history],
        "prompt_tokens": len(side.prompt.ids),
        "reference": side.prompt.reference,
        "structured": side.prompt.structured,
        "subjects": {
            name: {"text": answer.text, **asdict(side.scores[name])} for name, answer in side.answers.items()
        },
    }


def worst_and_best(
    sides: Sequence[Side], losses: Mapping[str, Sequence[RowLoss]]
) -> tuple[list[Side], list[Side]]:
    """Up to ten answers each, by the tuned subject's ROUGE-L; no answer is in both.

    Ties go by how much the row's loss rose against base, then by order.
    """

    def merit(side: Side) -> tuple[float, float]:
        base, tuned = (losses[name][side.prompt.row] for name in (BASE, TUNED))
        return side.scores[TUNED].rouge_l, (base.nats - tuned.nats) / max(base.tokens, 1)

    ranked = sorted(sides, key=merit)
    worst = ranked[: min(SHOWN, (len(ranked) + 1) // 2)]
    best = ranked[len(ranked) - min(SHOWN, len(ranked) // 2) :]
    return worst, best[::-1]
