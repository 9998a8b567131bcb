"""The evaluate step: every subject on the held-out rows, compared, written down.

report.json   figures, intervals, verdict (core/evaluate/report.py)
report.md     the same for people, with the worst and the best answers side by side
rows.jsonl    one line a row: every subject's answers, scores and loss
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.evaluate.axes import BASE, RULE, TUNED, Measured, compare, overall
from core.evaluate.cache import Cache
from core.evaluate.markdown import report_markdown
from core.evaluate.measure import Meter, answer_engine_name, answer_room, loss_engine_name
from core.evaluate.prompts import Prompt, make_prompts
from core.evaluate.report import REPORT_FILE, Axis, Counts, Intervals, Report, ReportedSubject
from core.evaluate.rows import Side, row_record, worst_and_best
from core.evaluate.scores import Answer, RowLoss, score
from core.evaluate.subjects import Subject, find_subjects
from core.models.dataset import Dataset, Row, TokenRow
from core.models.hardware import describe_hardware
from core.recipe.sections import EvaluateSection
from core.workspace.events import Metric, Sample
from core.workspace.steps import StepContext, StepResult
from serve.chat import ChatFormat
from tunery.errors import DataError
from tunery.files import write_json_whole, write_text_whole
from tunery.version import __version__

# Answers of base and tuned that viewers see as events.
_SAMPLES = 5
# Rows, and tokens of each, on which a merge is checked where the export step has not merged already.
_PROBES, _PROBE_TOKENS = 4, 64


@dataclass(frozen=True)
class HeldOut:
    """The test split as it is asked: `rows` and `tokens` go together, `prompts` in their order."""

    rows: list[Row]
    tokens: list[TokenRow]
    prompts: list[Prompt]


def evaluate(section: EvaluateSection, context: StepContext) -> StepResult:
    """Measure base, tuned and every export on the test split and compare each with base.

    Inputs: "base", "dataset", "model" and any "export[i]". Goes on from `context.work`
    after a kill. Raises DataError when there are no test rows.
    """
    held_out = _read_held_out(section, context)
    probes = [row.ids[:_PROBE_TOKENS].tolist() for row in held_out.tokens[:_PROBES]]
    subjects = find_subjects(context, probes)
    total = len(subjects) * (len(held_out.rows) + len(held_out.prompts))
    meter = Meter(Cache(context.work / "cache.jsonl"), context.emit, context.stop_requested, total)
    losses: dict[str, list[RowLoss]] = {}
    answers: dict[str, list[Answer]] = {}
    for at, subject in enumerate(subjects):
        answers[subject.name] = meter.answers(subject, held_out.prompts, section.max_new_tokens)
        losses[subject.name] = meter.losses(subject, held_out.tokens)
        _tell(context, at, subject, held_out.prompts, answers[subject.name], losses[subject.name])
    sides = _sides(held_out.prompts, answers)
    measured = {name: _measured(losses[name], sides, name, len(held_out.rows)) for name in losses}
    axes = compare(measured, resamples=section.resamples, seed=section.seed)
    report = _report(section, context, subjects, held_out, axes)
    _write(context, report, held_out.rows, sides, losses)
    return StepResult(metrics=_figures(axes), details={"verdict": report.verdict})


def _read_held_out(section: EvaluateSection, context: StepContext) -> HeldOut:
    dataset = Dataset.open(context.inputs["dataset"])
    rows, tokens = dataset.rows("test")[: section.max_rows], dataset.split("test")[: section.max_rows]
    prompts = make_prompts(rows, ChatFormat.open(context.inputs["base"]))
    if not rows or not prompts:
        raise DataError(
            "the dataset has no test rows with an answer, so nothing can be compared; "
            "set data.split.test to a share above 0 or to a file"
        )
    return HeldOut(rows, list(tokens), prompts)


def _sides(prompts: Sequence[Prompt], answers: Mapping[str, Sequence[Answer]]) -> list[Side]:
    return [
        Side(
            prompt,
            {name: given[place] for name, given in answers.items()},
            {name: score(given[place], prompt.reference) for name, given in answers.items()},
        )
        for place, prompt in enumerate(prompts)
    ]


def _measured(losses: list[RowLoss], sides: Sequence[Side], name: str, rows: int) -> Measured:
    scores: list[list[Any]] = [[] for _ in range(rows)]
    for side in sides:
        scores[side.prompt.row].append(side.scores[name])
    return Measured(losses, scores)


def _tell(
    context: StepContext,
    at: int,
    subject: Subject,
    prompts: Sequence[Prompt],
    answers: Sequence[Answer],
    losses: Sequence[RowLoss],
) -> None:
    """Report a subject's figures as soon as they are there, and a few answers of base and tuned."""
    scores = [score(answer, prompt.reference) for answer, prompt in zip(answers, prompts, strict=True)]
    loss = sum(row.nats for row in losses) / max(1, sum(row.tokens for row in losses))
    metrics = {
        f"{subject.name}.loss": loss,
        f"{subject.name}.rouge_l": sum(item.rouge_l for item in scores) / len(scores),
        f"{subject.name}.stopped": sum(item.stopped for item in scores) / len(scores),
    }
    context.emit(Metric(at=at, metrics=metrics))
    if subject.name in (BASE, TUNED):
        for prompt, answer in list(zip(prompts, answers, strict=True))[:_SAMPLES]:
            context.emit(Sample(prompt=prompt.question, answer=answer.text, subject=subject.name))


def _report(
    section: EvaluateSection,
    context: StepContext,
    subjects: Sequence[Subject],
    held_out: HeldOut,
    axes: list[Axis],
) -> Report:
    room = subjects[0].served.manifest.context_length
    limit = section.max_new_tokens
    hardware = describe_hardware()
    return Report(
        name=context.name,
        suite="held_out",
        subjects=[_reported(subject) for subject in subjects],
        axes=axes,
        verdict=overall(axes),
        rule=RULE,
        counts=Counts(
            rows=len(held_out.rows),
            answers=len(held_out.prompts),
            structured_answers=sum(prompt.structured for prompt in held_out.prompts),
            trained_tokens=sum(int(row.trained[1:].sum()) for row in held_out.tokens),
            max_new_tokens=limit,
            shortened_answers=sum(answer_room(prompt, limit, room) < limit for prompt in held_out.prompts),
        ),
        intervals=Intervals(
            method="paired bootstrap over rows, expanded percentile interval (Hesterberg 2015)",
            confidence=0.95,
            resamples=section.resamples,
            seed=section.seed,
        ),
        environment={
            "tunery": __version__,
            "answers by": answer_engine_name(),
            "device": hardware.device_name,
            "cores": hardware.cores,
        },
    )


def _reported(subject: Subject) -> ReportedSubject:
    return ReportedSubject(
        name=subject.name,
        quant=subject.served.manifest.quant,
        weights_sha256=subject.served_sha256,
        engine=answer_engine_name(),
        loss_engine=loss_engine_name(subject),
        knowledge=subject.knowledge,
        guards=subject.guards,
    )


def _write(
    context: StepContext,
    report: Report,
    rows: Sequence[Row],
    sides: Sequence[Side],
    losses: Mapping[str, Sequence[RowLoss]],
) -> None:
    of_row: list[list[Side]] = [[] for _ in rows]
    for side in sides:
        of_row[side.prompt.row].append(side)
    records = [
        row_record(row, of_row[place], {name: found[place] for name, found in losses.items()})
        for place, row in enumerate(rows)
    ]
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    write_text_whole(context.out / "rows.jsonl", lines)
    write_text_whole(context.out / "report.md", report_markdown(report, *worst_and_best(sides, losses)))
    write_json_whole(context.out / REPORT_FILE, report.to_json())


def _figures(axes: Sequence[Axis]) -> dict[str, float | None]:
    """Plain numbers for artifact.json: every subject's figure, and tuned minus base with its bounds."""
    figures: dict[str, float | None] = {}
    for axis in axes:
        figures |= {f"{axis.name}.{name}": value for name, value in axis.values.items()}
        bounds = {"difference": axis.difference, "low": axis.low, "high": axis.high}
        figures |= {f"{axis.name}.{name}": value for name, value in bounds.items()}
    return {key: value if value is None or math.isfinite(value) else None for key, value in figures.items()}
