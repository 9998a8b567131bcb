"""Do a step, describe what it made, and put it in its place."""

from __future__ import annotations

from pathlib import Path

from core.pipeline.keep import keep
from core.pipeline.plan import Plan, Stage
from core.pipeline.steps import StepKind, load
from core.pipeline.task import Task, data_unchanged, seed_of
from core.workspace.artifacts import Artifact, write_artifact
from core.workspace.steps import StepContext, StepResult
from tunery.errors import BadInput
from tunery.version import __version__


def make_artifact(
    plan: Plan, stage: Stage, kind: StepKind, task: Task, context: StepContext, *, run: str
) -> None:
    """Fill `context.out` and rename it to the task's artifact; `run` is who made it, "" for no run.

    `context.out` lies beside the artifact's place (see `partial_folder`); the caller
    removes it where this raises: what the step raises, or BadInput when its data
    changed meanwhile.
    """
    section = load(kind.section).model_validate(stage.section) if kind.section else stage.section
    result: StepResult = load(kind.function)(section, context)
    if not data_unchanged(kind, stage, context.recipe_folder, task):
        raise BadInput(f"the data of {task.step} changed while it was read; resume the run")
    write_artifact(context.out, _describe(plan, stage, kind, task, result, run))
    keep(context.out, Path(task.artifact))


def _describe(plan: Plan, stage: Stage, kind: StepKind, task: Task, result: StepResult, run: str) -> Artifact:
    return Artifact(
        kind=kind.artifact,
        name=plan.name,
        fingerprint=task.fingerprint,
        step=task.step,
        inputs=dict(task.hashes),
        files={},
        metrics=dict(result.metrics),
        seed=seed_of(stage.section, kind.seed),
        code_version=__version__,
        libraries=dict(task.libraries),
        run=run,
        details={
            **result.details,
            "facts": dict(task.facts),
            "base": plan.base,
            "section": dict(stage.section),
        },
    )
