"""What a recipe would do, and whether its data and base model are there. Loads no model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.data.inspect import inspect_sources
from core.data.report import DataReport
from core.doctor.finding import Finding
from core.jobs.earlier import with_earlier_data
from core.models.converter import check_architecture
from core.models.find import check_base
from core.models.starters import STARTERS, find_starter_gguf
from core.models.templates import read_template
from core.recipe.recipe import Recipe
from core.recipe.sections import TrainStage
from core.train.schedule import plan_schedule
from core.workspace.home import find_workspace
from tunery.errors import BadInput, NotThere, TuneryError


@dataclass(frozen=True)
class PlannedStep:
    """One step and a sentence on what it would do."""

    step: str
    about: str


@dataclass(frozen=True)
class RecipeCheck:
    """What was found out about a recipe."""

    name: str
    file: str
    data: DataReport
    steps: tuple[PlannedStep, ...]
    findings: tuple[Finding, ...]

    @property
    def refused(self) -> bool:
        """Whether a run would refuse to start."""
        return any(finding.severity == "error" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        return {
            "ok": not self.refused,
            "name": self.name,
            "file": self.file,
            "steps": [asdict(step) for step in self.steps],
            "findings": [asdict(finding) for finding in self.findings],
            "data": self.data.to_json(),
        }


def check_recipe(recipe: Recipe, file: Path) -> RecipeCheck:
    """Read the data, look for the base model and lay out the steps.

    Raises DataError where a source as a whole cannot be used.
    """
    recipe = with_earlier_data(recipe, find_workspace())
    report = inspect_sources(recipe.data, file.parent)
    findings = (
        _base(recipe.model.base, file.parent),
        *_template(recipe.model.template, file.parent),
        *_data(report),
    )
    return RecipeCheck(recipe.name, str(file), report, tuple(_steps(recipe, report)), findings)


def _base(base: str, folder: Path) -> Finding:
    starter = STARTERS.get(base.lower())
    if starter is not None:
        try:
            find_starter_gguf(starter)
        except NotThere as error:
            return Finding("base", "error", f"model.base {base!r} is not installed", str(error))
        return Finding("base", "ok", f"{base} is packaged with this installation")
    if "/" in base and not base.startswith(("/", ".", "~")) and not base.endswith(".gguf"):
        return Finding("base", "note", f"{base} is taken from the model hub, or from its cache")
    try:
        check_base(base, folder)
        if (folder / Path(base).expanduser()).is_dir():
            check_architecture(folder / Path(base).expanduser())
    except TuneryError as error:
        return Finding("base", "error", f"the base model {base} cannot be used", str(error))
    return Finding("base", "ok", f"the base model {base} is there")


def _template(wanted: str | None, folder: Path) -> Iterator[Finding]:
    if wanted is None:
        return
    try:
        read_template(wanted, folder)
    except BadInput as error:
        yield Finding("template", "error", f"model.template {wanted!r} cannot be used", str(error))
    else:
        yield Finding("template", "ok", f"the chat template {wanted} takes the place of the model's own")


def _data(report: DataReport) -> Iterator[Finding]:
    for source in report.sources:
        how = "found by looking" if source.detected else "as the recipe says"
        yield Finding(
            "source", "ok", f"{source.path}: {source.usable} of {source.rows} rows, {source.format} ({how})"
        )
        for finding in source.findings:
            first = finding.examples[0] if finding.examples else None
            where = f"; first in line {first.line}: {first.text}" if first else ""
            text = f"{source.path}: {finding.code.replace('_', ' ')}, {finding.count} times{where}"
            yield Finding(finding.code, finding.severity, text, finding.fix)


def _steps(recipe: Recipe, report: DataReport) -> Iterator[PlannedStep]:
    rows = {name: int(split["rows"]) for name, split in report.splits.items()}
    split = ", ".join(f"{count} {name}" for name, count in rows.items())
    yield PlannedStep("prepare", f"{report.usable} rows: {split}" if split else "refused, see below")
    for position, stage in enumerate(recipe.train):
        yield PlannedStep(f"train[{position}]", _training(stage, rows.get("train", 0)))
    for position, wish in enumerate(recipe.export):
        about = f"{wish.format} {wish.quant}, compared on {wish.parity.prompts} prompts"
        yield PlannedStep(f"export[{position}]", about)
    tested = min(rows.get("test", 0), recipe.evaluate.max_rows or rows.get("test", 0))
    subjects = ["base", "tuned", *(wish.quant for wish in recipe.export)]
    yield PlannedStep("evaluate", f"{', '.join(subjects)} on {tested} test rows")


def _training(stage: TrainStage, rows: int) -> str:
    steps = plan_schedule(stage, rows).steps
    return f"{stage.method} with {stage.adapter}: {rows} rows, {steps} steps of {stage.batch_size} rows"
