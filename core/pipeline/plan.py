"""From a recipe to the steps that run, in order: `plan.json`.

The steps form a graph: each names the steps whose artifacts it reads. They stand in an
order in which every step comes after what it needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.pipeline.steps import table_name
from tunery.errors import BadInput, BrokenIntegrity
from tunery.files import read_json

if TYPE_CHECKING:
    from core.recipe.recipe import Recipe

PLAN_FILE = "plan.json"
SCHEMA = 1


@dataclass(frozen=True)
class Stage:
    """One step of a run: its kind in the table, its section as JSON, and its inputs as {role: step}."""

    step: str
    kind: str
    section: Mapping[str, Any]
    needs: Mapping[str, str]


@dataclass(frozen=True)
class Plan:
    """Everything that a worker needs to know. `recipe_folder` is where relative paths start.

    `template` is the recipe's chat template in place of the base model's own, if any.
    """

    name: str
    base: str
    recipe_folder: str
    device: str
    table: str
    stages: tuple[Stage, ...]
    template: str | None = None
    schema: int = SCHEMA

    def stage(self, step: str) -> Stage:
        for stage in self.stages:
            if stage.step == step:
                return stage
        raise BadInput(
            f"this run has no step {step!r}; it has {', '.join(item.step for item in self.stages)}"
        )

    @property
    def device_kind(self) -> str:
        """ "cpu" or "cuda": the device without its number."""
        return self.device.partition("-")[0]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def make_plan(recipe: Recipe, recipe_folder: Path, device: str, until: str | None = None) -> Plan:
    """The steps of a recipe, up to and with `until`.

    `until` is a step such as "train[0]", or a kind such as "export" for the last of it.
    Raises BadInput when the recipe has no such step.
    """
    plan = Plan(
        name=recipe.name,
        base=recipe.model.base,
        template=recipe.model.template,
        recipe_folder=str(recipe_folder.resolve()),
        device=device,
        table=table_name(),
        stages=tuple(_stages(recipe.model_dump(mode="json"))),
    )
    return plan if until is None else _cut(plan, until)


def read_plan(run_folder: Path) -> Plan:
    """Read `plan.json`. Raises BrokenIntegrity when it is none or of another version."""
    path = run_folder / PLAN_FILE
    try:
        value = read_json(path)
        if value.get("schema") != SCHEMA:
            raise BrokenIntegrity(f"{path} was written by another version of Tunery; submit the recipe again")
        stages = tuple(Stage(**stage) for stage in value.pop("stages"))
        return Plan(**value, stages=stages)
    except FileNotFoundError:
        raise BrokenIntegrity(
            f"{path} is missing, so this run cannot go on; submit the recipe again"
        ) from None
    except (TypeError, KeyError, AttributeError) as error:
        raise BrokenIntegrity(f"{path} is not a plan ({error}); submit the recipe again") from None


def _stages(recipe: Mapping[str, Any]) -> list[Stage]:
    prepare = {"data": recipe["data"], "max_length": recipe["train"][0]["max_length"]}
    stages = [Stage("prepare", "prepare", prepare, {})]
    model: dict[str, str] = {}
    for position, section in enumerate(recipe["train"]):
        step = f"train[{position}]"
        stages.append(Stage(step, "train", section, {"dataset": "prepare", **model}))
        model = {"model": step}
    exports: dict[str, str] = {}
    for position, section in enumerate(recipe["export"]):
        step = f"export[{position}]"
        stages.append(Stage(step, "export", section, {"dataset": "prepare", **model}))
        exports[step] = step
    stages.append(
        Stage("evaluate", "evaluate", recipe["evaluate"], {"dataset": "prepare", **model, **exports})
    )
    return stages


def _cut(plan: Plan, until: str) -> Plan:
    last = [number for number, stage in enumerate(plan.stages) if until in (stage.step, stage.kind)]
    if not last:
        plan.stage(until)
    return replace(plan, stages=plan.stages[: last[-1] + 1])
