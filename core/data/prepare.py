"""The prepare step: files to a dataset artifact, or a refusal that says which row is wrong."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.data.inspect import SourceRows, divide, read_sources
from core.data.render import RenderedRow, TokenBuffer, render_row
from core.data.report import DataReport, Tokens
from core.data.rows import Problem, refuse
from core.models.dataset import SPLITS, Row, write_rows, write_tokens
from core.recipe.sections import PrepareSection
from core.workspace.events import Log, Progress
from core.workspace.steps import StepContext, StepResult
from serve.model_folder import OpenModel, open_model
from tunery.errors import Stopped
from tunery.files import need_room, write_json_whole

# Rows between two progress events.
_EVERY = 200

# By file and line, as rows know them.
Rendered = dict[tuple[str, int], RenderedRow]


def prepare(section: PrepareSection, ctx: StepContext) -> StepResult:
    """Write the dataset of the recipe's data section into `ctx.out`.

    Files: see core/models/dataset.py, and `report.json` (see core/data/report.py).
    Raises DataError before anything is written when a row cannot be trained on as it
    is, when a test row is also a training row, or when a split would be empty; Stopped
    when a person asked for it.
    """
    model = open_model(ctx.inputs["base"], verify=False)
    sources = read_sources(section.data, ctx.recipe_folder)
    for source in sources:
        ctx.emit(Log(text=_describe(source)))
    refuse([problem for source in sources for problem in source.problems])
    splits = divide(section.data, sources)
    limit = min(section.max_length, model.manifest.context_length)
    rendered = _render(sources, model, section.max_length, ctx)
    report = _report(sources, splits, rendered, limit)
    _write(ctx.out, splits, rendered, report)
    return _result(report, section)


def _describe(source: SourceRows) -> str:
    how = "found by looking" if source.detected else "set in the recipe"
    notes = "".join(f", {finding.count} {finding.code}" for finding in source.notes)
    return f"{source.path}: {source.rows_read} rows, format {source.format} ({how}){notes}"


def _render(sources: Sequence[SourceRows], model: OpenModel, max_length: int, ctx: StepContext) -> Rendered:
    """Ids and masks of every row. Refuses when any row cannot be rendered or checked."""
    count = sum(len(source.rows) for source in sources)
    rendered: Rendered = {}
    problems: list[Problem] = []
    began = time.monotonic()
    for source in sources:
        for row, place in zip(source.rows, source.places, strict=True):
            done = len(rendered) + len(problems)
            if done % _EVERY == 0:
                if ctx.stop_requested():
                    raise Stopped("prepare was stopped before it was done; `tunery resume` begins it again")
                left = (time.monotonic() - began) / done * (count - done) if done else None
                ctx.emit(Progress(what="rows", done=done, of=count, eta=left))
            result = render_row(
                row, place, model.chat, max_length=max_length, context_length=model.manifest.context_length
            )
            if isinstance(result, Problem):
                problems.append(result)
            else:
                rendered[row.source, row.line] = result
    refuse(problems)
    ctx.emit(Progress(what="rows", done=count, of=count, eta=0.0))
    return rendered


def _report(
    sources: Sequence[SourceRows], splits: Mapping[str, Sequence[Row]], rendered: Rendered, limit: int
) -> DataReport:
    def counted(rows: Sequence[Row]) -> Tokens:
        return _count([rendered[row.source, row.line] for row in rows], limit)

    return DataReport(
        tuple(replace(source.report(), tokens=counted(source.rows)) for source in sources),
        splits={name: {"rows": len(splits[name]), **counted(splits[name]).to_json()} for name in SPLITS},
        tokens=counted([row for source in sources for row in source.rows]),
    )


def _count(rows: Sequence[RenderedRow], limit: int) -> Tokens:
    import numpy as np

    lengths = np.array([len(row.ids) for row in rows] or [0])
    trained = sum(row.trained for row in rows)
    quantiles = {f"p{q}": int(np.percentile(lengths, q, method="higher")) for q in (50, 90, 99)}
    return Tokens(
        trained=trained,
        context=int(lengths.sum()) - trained,
        max_length=limit,
        lengths={**quantiles, "max": int(lengths.max())},
    )


def _write(out: Path, splits: Mapping[str, Sequence[Row]], rendered: Rendered, report: DataReport) -> None:
    tokens = sum(len(row.ids) for row in rendered.values())
    letters = sum(len(turn.content) for rows in splits.values() for row in rows for turn in row.messages)
    need_room(out, 5 * tokens + 8 * letters, "the dataset")
    for name in SPLITS:
        buffer = TokenBuffer()
        for row in splits[name]:
            buffer.add(rendered[row.source, row.line])
        write_tokens(out, name, *buffer.to_arrays())
        write_rows(out / f"{name}.jsonl", splits[name])
    write_json_whole(out / "report.json", report.to_json())


def _result(report: DataReport, section: PrepareSection) -> StepResult:
    findings = [finding for source in report.sources for finding in source.findings]
    metrics: dict[str, float | None] = {
        "rows": float(report.rows),
        **{f"{name}_rows": float(facts["rows"]) for name, facts in report.splits.items()},
        "duplicates": float(sum(finding.count for finding in findings if finding.code == "duplicate")),
    }
    if report.tokens is not None:
        metrics |= {
            "tokens_trained": float(report.tokens.trained),
            "tokens_context": float(report.tokens.context),
            "longest_row": float(report.tokens.lengths["max"]),
        }
    details: dict[str, Any] = {
        "seed": section.data.split.seed,
        "formats": {source.path: source.format for source in report.sources},
    }
    return StepResult(metrics, details)
