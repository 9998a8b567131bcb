"""Rows of the ledger to token ids, batch by batch. Runs in the crew's processes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from core.data.rows import Place, Problem, Unit
from core.data.tokens.render import RenderedRow, RowRenderer, TooLong
from core.models.dataset import Row
from core.models.examples import Conversation
from serve.model_folder import open_model


@dataclass(frozen=True)
class Rendering:
    """What the crew is told once: the base model's folder, the limit in tokens, what to do above it."""

    base: Path
    max_length: int
    too_long: TooLong


@dataclass(frozen=True)
class RowBatch:
    """Rows as JSON text, and what their numbers count."""

    rows: list[tuple[str, Unit]]


@dataclass(frozen=True)
class Done:
    """A rendered row, and its text where turns were cut off."""

    rendered: RenderedRow
    row: str
    task: str | None


def renderer(setup: Rendering) -> Callable[[RowBatch], list[Done | Problem]]:
    """What a process of the crew does to each batch."""
    model = open_model(setup.base, verify=False)
    renderer = RowRenderer(
        model.chat,
        max_length=setup.max_length,
        context_length=model.manifest.context_length,
        too_long=setup.too_long,
    )

    def render(batch: RowBatch) -> list[Done | Problem]:
        rows = [Row.from_json(json.loads(text)) for text, _ in batch.rows]
        places = [Place(row.source, row.line, unit) for row, (_, unit) in zip(rows, batch.rows, strict=True)]
        results = renderer.render([(row.example, place) for row, place in zip(rows, places, strict=True)])
        return [
            result if isinstance(result, Problem) else _done(row, text, result)
            for row, (text, _), result in zip(rows, batch.rows, results, strict=True)
        ]

    return render


def _done(row: Row, text: str, rendered: RenderedRow) -> Done:
    if not rendered.cut:
        return Done(rendered, text, row.task)
    talk = row.example
    if not isinstance(talk, Conversation):
        raise ValueError(f"turns of a {talk.kind} cannot be cut")
    first = 1 if row.messages[0].role == "system" else 0
    kept = (*row.messages[:first], *row.messages[first + rendered.cut :])
    shorter = replace(row, example=replace(talk, messages=kept))
    return Done(rendered, json.dumps(shorter.to_json(), ensure_ascii=False), row.task)
