"""The prepare step: files to a dataset artifact, or a refusal that says which row is wrong."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.data.card import data_card
from core.data.gather import Wanted, find_wanted
from core.data.look import Look, look_at, report_of
from core.data.report import DataReport
from core.data.tokenize import Tokenized, tokenize
from core.models.dataset import SPLITS
from core.recipe.sections import PrepareSection
from core.workspace.events import Log
from core.workspace.steps import StepContext, StepResult
from serve.model_folder import OpenModel, open_model
from tunery.files import need_room, write_json_whole, write_text_whole

# Bytes that preparing writes for each byte of the sources.
ROOM = 6


def prepare(section: PrepareSection, ctx: StepContext) -> StepResult:
    """Write the dataset of the recipe's data section into `ctx.out`.

    Files: see core/models/dataset.py, `report.json` (see core/data/report.py), `card.md`
    for people, and `dropped.jsonl`, every row that was left out with the reason. Raises
    DataError before anything stands in `ctx.out` when a row cannot be trained on as it is
    and the recipe does not say to drop it, or when a split would be empty; Stopped when a
    person asked for it.
    """
    model = open_model(ctx.inputs["base"], verify=False)
    wanted = find_wanted(section.data, ctx.recipe_folder)
    _need_room(wanted, ctx)
    scratch = ctx.work / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        with look_at(
            section.data, wanted, scratch, ctx.emit, ctx.stop_requested, model.chat.controls
        ) as look:
            report = report_of(look)
            for source in report.sources:
                how = "found by looking" if source.detected else "set in the recipe"
                ctx.emit(Log(text=f"{source.path}: {source.rows} rows, format {source.format} ({how})"))
            report.refuse_bad_rows()
            if look.cannot_divide is not None:
                raise look.cannot_divide
            drafts = scratch / "dataset"
            drafts.mkdir()
            tokenized = tokenize(section, look, ctx, drafts)
            report = _complete(report, tokenized, section, model)
            _write_dropped(drafts / "dropped.jsonl", look)
            write_json_whole(drafts / "report.json", report.to_json())
            write_text_whole(drafts / "card.md", data_card(section.data, report))
            for path in sorted(drafts.iterdir()):
                os.replace(path, ctx.out / path.name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return _result(report, section)


def _need_room(wanted: list[Wanted], ctx: StepContext) -> None:
    """The rows once in the ledger and once in the dataset, and 5 bytes a token."""
    sources = sum(item.bytes for item in wanted)
    need_room(ctx.out, ROOM * sources, "the dataset")


def _complete(
    report: DataReport, tokenized: Tokenized, section: PrepareSection, model: OpenModel
) -> DataReport:
    """The report with tokens, and with what tokenizing left out."""
    limit = min(section.max_length, model.manifest.context_length)
    sources = tuple(
        replace(source, tokens=tokenized.by_source[number].tokens(limit))
        for number, source in enumerate(report.sources)
    )
    splits = {
        name: {"rows": tokenized.by_split[name].rows, **tokenized.by_split[name].tokens(limit).to_json()}
        for name in SPLITS
    }
    return replace(
        report,
        sources=sources,
        splits=splits,
        tokens=tokenized.all.tokens(limit),
        by_task={name: tally.task_figures() for name, tally in sorted(tokenized.by_task.items())},
        steps=(*report.steps, *tokenized.steps),
        dropped=dict(sorted((*report.dropped.items(), *tokenized.dropped.items()))),
        lengths=tokenized.all.histogram(),
        proof=tokenized.proof,
    )


def _write_dropped(path: Path, look: Look) -> None:
    """Every row that was left out: where it stood, why, and the row itself as far as it could be read."""
    with open(path, "w", encoding="utf-8", newline="\n") as handle:
        for source, line, reason, what, row in _left_out(look):
            value = {"source": source, "line": line, "reason": reason, "what": what, "row": row}
            handle.write(json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode())
            handle.write("\n")


def _left_out(look: Look) -> Iterator[tuple[str, int, str, str, Any]]:
    ledger = look.ledger
    for source, line, reason, what, row in ledger.ask(
        "SELECT source, line, reason, what, row FROM left_out ORDER BY source, line, reason"
    ):
        yield source, line, reason, what, json.loads(row) if row else None
    for number, line, fate, row in ledger.ask(
        "SELECT rows.source, rows.line, rows.fate, texts.row FROM rows JOIN texts ON texts.n = rows.n "
        "WHERE fate IS NOT NULL ORDER BY rows.n"
    ):
        yield look.facts[number].wanted.file.shown, line, fate, "", json.loads(row)


def _result(report: DataReport, section: PrepareSection) -> StepResult:
    metrics: dict[str, float | None] = {
        "rows": float(report.rows),
        **{f"{name}_rows": float(facts["rows"]) for name, facts in report.splits.items()},
        "dropped": float(sum(report.dropped.values())),
        "duplicates": float(
            sum(
                finding.count
                for source in report.sources
                for finding in source.findings
                if finding.code == "duplicate"
            )
        ),
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
        "sources": {source.path: source.sha256 for source in report.sources},
    }
    return StepResult(metrics, details)
