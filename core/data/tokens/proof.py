"""Shown on a few rows: an answer ends with a stop token of the model, and padding is never trained.

On many models pad and stop are one token, so a mask that leaves out pad ids would leave
out the end of every answer, and one that takes stop ids would train the padding. Where
the mask goes by length, each answer has one trained stop token and there is no other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from core.models.dataset import Row, TokenRow
from core.models.examples import Conversation
from serve.model_folder import OpenModel


@dataclass(frozen=True)
class StopProof:
    """What was counted on `rows` rows with `answers` answers; a plain text counts as one.

    `stops` are the model's own stop tokens as it spells them, `ends` the last trained
    token of each answer with how often it is that, `trained_stops` and `trained_pads`
    all trained tokens of that kind. `pad` is None where the tokenizer names none.
    `problems` says what is wrong; it is empty for a good mask.
    """

    rows: int
    answers: int
    stops: tuple[str, ...]
    ends: dict[str, int]
    pad: str | None
    trained_stops: int
    trained_pads: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        return {"ok": self.ok, **asdict(self), "stops": list(self.stops), "problems": list(self.problems)}


def prove_stops(rows: Sequence[Row], tokens: Sequence[TokenRow], model: OpenModel) -> StopProof:
    """Count on `rows` and their `tokens`, by the stop tokens of the model's generation_config.json.

    Where that file names none, the stop tokens of its tokenizer and template stand in.
    """
    chat = model.chat
    stops = frozenset(chat.generation_stop_ids or chat.stop_ids)
    answers = sum(_answers(row) for row in rows)
    ends = Counter(last for row in tokens for last in _ends(row))
    trained = Counter(int(number) for row in tokens for number in row.ids[row.trained])
    spell = {number: chat.decode([number], skip_special=False) for number in {*ends, *stops}}
    trained_stops = sum(trained[number] for number in stops)
    trained_pads = 0 if chat.pad_id is None else trained[chat.pad_id]
    return StopProof(
        rows=len(rows),
        answers=answers,
        stops=tuple(spell[number] for number in sorted(stops)),
        ends={spell[number]: ends[number] for number in sorted(ends)},
        pad=None if chat.pad_id is None else chat.decode([chat.pad_id], skip_special=False),
        trained_stops=trained_stops,
        trained_pads=trained_pads,
        problems=tuple(_problems(answers, ends, stops, spell, trained_stops, trained_pads, chat.pad_id)),
    )


def _answers(row: Row) -> int:
    if not isinstance(row.example, Conversation):
        return 1
    return sum(turn.role == "assistant" for turn in row.example.messages)


def _ends(row: TokenRow) -> Iterator[int]:
    """The last id of every run of trained ids."""
    for at, trained in enumerate(row.trained):
        if trained and (at + 1 == len(row.trained) or not row.trained[at + 1]):
            yield int(row.ids[at])


def _problems(
    answers: int,
    ends: Counter[int],
    stops: frozenset[int],
    spell: dict[int, str],
    trained_stops: int,
    trained_pads: int,
    pad: int | None,
) -> Iterator[str]:
    for number in sorted(set(ends) - stops):
        yield (
            f"{ends[number]} answers end with {spell[number]!r}, which is no stop token of the model; add "
            f"{number} to eos_token_id in generation_config.json"
        )
    if trained_stops != answers:
        yield f"{trained_stops} stop tokens are trained for {answers} answers; each must have exactly one"
    padded = trained_pads - (ends[pad] if pad is not None else 0)
    if padded:
        yield f"{padded} padding tokens are trained; the mask must end where the row ends"
