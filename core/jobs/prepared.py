"""The data of a recipe without a run: only looked at, or prepared as a run would.

A run of the same recipe finds the artifact that was made here and skips the step.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.jobs.earlier import with_earlier_data
from core.pipeline.apart import find_base_apart
from core.pipeline.keep import clear_partials, look_over, partial_folder
from core.pipeline.make import make_artifact
from core.pipeline.plan import Plan, Stage, make_plan
from core.pipeline.steps import StepKind, load_table
from core.pipeline.task import Task, base_of, make_task
from core.workspace.events import Emit
from core.workspace.home import Workspace
from core.workspace.locks import one_at_a_time
from core.workspace.steps import StepContext
from core.workspace.trash import to_trash

if TYPE_CHECKING:
    from core.data.report import DataReport
    from core.recipe.recipe import Recipe

PREPARE = "prepare"
LOOK = "look"


@dataclass(frozen=True)
class PreparedData:
    """Folders of a dataset artifact and of the base model whose tokens it holds."""

    dataset: Path
    base: Path


def inspect_recipe(recipe: Recipe, recipe_folder: Path, workspace: Workspace, emit: Emit) -> DataReport:
    """What is in the recipe's data; no model is loaded, and nothing is kept."""
    from core.data.inspect import inspect_sources

    return inspect_sources(with_earlier_data(recipe, workspace).data, recipe_folder, emit)


def prepare_dataset(recipe: Recipe, recipe_folder: Path, workspace: Workspace, emit: Emit) -> PreparedData:
    """The dataset that training would read now. May unpack or download the base model.

    Raises what the step raises: DataError where rows cannot be trained on.
    """
    from core.models.hardware import describe_hardware

    recipe = with_earlier_data(recipe, workspace)
    plan = make_plan(recipe, recipe_folder, describe_hardware().device_kind, until=PREPARE)
    table = load_table(plan.table)
    base = find_base_apart(plan.base, workspace, recipe_folder, plan.template)
    stage = plan.stage(PREPARE)
    kind = table.kinds[stage.kind]
    task = make_task(plan, stage, kind, base_of(base), {}, workspace)
    artifact = Path(task.artifact)
    if look_over(artifact, task.fingerprint) is not None:
        if artifact.exists():
            to_trash(workspace, artifact)
        _make(plan, stage, kind, task, workspace, emit)
    return PreparedData(artifact, base)


def _make(plan: Plan, stage: Stage, kind: StepKind, task: Task, workspace: Workspace, emit: Emit) -> None:
    """Make the artifact here, as a worker's child would; one at a time, so leftovers are known as such."""
    out = partial_folder(Path(task.artifact), LOOK, stage.step)
    # On the same disk as the artifact: what is filled here is renamed into it.
    work = workspace.root / LOOK
    with one_at_a_time(workspace, LOOK):
        try:
            clear_partials(workspace, LOOK)
            shutil.rmtree(work, ignore_errors=True)
            for folder in (out, work):
                folder.mkdir(parents=True)
            context = StepContext(
                step=stage.step,
                name=plan.name,
                inputs={role: Path(folder) for role, folder in task.inputs.items()},
                recipe_folder=Path(plan.recipe_folder),
                out=out,
                work=work,
                shared=work,
                workspace=workspace,
                emit=emit,
            )
            make_artifact(plan, stage, kind, task, context, run="")
        finally:
            for folder in (out, work):
                shutil.rmtree(folder, ignore_errors=True)
