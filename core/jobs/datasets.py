"""Datasets as people name them, by a run or the artifact's folder, and what was set for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.jobs.outputs import dataset_folder
from core.pipeline.apart import find_base_apart
from core.pipeline.plan import read_plan
from core.workspace.home import Workspace
from tunery.errors import NotThere

if TYPE_CHECKING:
    from core.jobs.records import RunRecord

# What the prepare step makes in every artifact of its own.
REPORT_FILE = "report.json"


@dataclass(frozen=True)
class NamedDataset:
    """`name` is what a person calls it. `settings` maps dotted recipe keys to what was set.

    They are empty for an artifact of an earlier version, which did not keep them.
    """

    name: str
    folder: Path
    settings: dict[str, Any]


def dataset_of_run(workspace: Workspace, record: RunRecord) -> NamedDataset:
    """What a run was trained on. Raises NotThere when it has prepared nothing yet."""
    plan = read_plan(record.folder)
    settings = _settings(plan.base, plan.stage("prepare").section)
    return NamedDataset(record.id, dataset_folder(workspace, record), settings)


def dataset_in(folder: Path) -> NamedDataset:
    """The artifact that lies in `folder`. Raises NotThere when none does."""
    from core.workspace.artifacts import read_artifact

    artifact = read_artifact(folder)
    if artifact.kind != "dataset":
        raise NotThere(f"{folder} holds a {artifact.kind} and no dataset; name a run, or a dataset's folder")
    told = artifact.details
    settings = _settings(told["base"], told["section"]) if "section" in told else {}
    return NamedDataset(f"{artifact.name} {artifact.fingerprint[:12]}", folder, settings)


def base_of_run(workspace: Workspace, record: RunRecord) -> Path:
    """The folder of the base model of a run; it may have to be unpacked again."""
    plan = read_plan(record.folder)
    return find_base_apart(plan.base, workspace, Path(plan.recipe_folder), plan.template)


def _settings(base: str, section: Mapping[str, Any]) -> dict[str, Any]:
    """What a prepare step was told, under the keys of a recipe."""
    train = {"max_length": section["max_length"]}
    return dict(_flat({"model": {"base": base}, "data": section["data"], "train": train}))


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf with its dotted key; empty lists and mappings are leaves."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not value or not isinstance(value, dict | list):
        yield key, value
    for name, item in items:
        yield from _flat(item, f"{key}.{name}" if key else str(name))
