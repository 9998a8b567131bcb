"""A fingerprint changes with everything that a result depends on, and with nothing else."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.pipeline import needs, task
from core.pipeline.plan import Plan, make_plan
from core.pipeline.steps import STEPS
from core.pipeline.task import all_tasks, base_of
from core.recipe.recipe import Recipe
from core.workspace.home import Workspace

STEPS_OF_RECIPE = ["prepare", "train[0]", "export[0]", "evaluate"]


@pytest.fixture(autouse=True)
def in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.models.hardware.pick_precision", lambda setting: "float32")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "rows.jsonl").write_text("one\n")
    (folder / "base").mkdir()
    (folder / "base" / "model.json").write_text(json.dumps({"name": "base", "files": {"w": "1"}}))
    return folder


def plan_of(project: Path, device: str = "cpu", **changes: Any) -> Plan:
    recipe = {
        "name": "tiny",
        "model": {"base": "base"},
        "data": {"sources": [{"path": "data/rows.jsonl"}]},
        "train": [{}],
        "export": [{}],
        **changes,
    }
    return make_plan(Recipe.model_validate(recipe), project, device)


def prints(project: Path, plan: Plan | None = None) -> list[str]:
    tasks = all_tasks(
        plan or plan_of(project), STEPS.kinds, base_of(project / "base"), Workspace(project.parent / "home")
    )
    return [item.fingerprint for _, item in tasks]


def changed(before: list[str], after: list[str]) -> list[str]:
    return [step for step, old, new in zip(STEPS_OF_RECIPE, before, after, strict=True) if old != new]


def test_equal_inputs_have_equal_fingerprints_wherever_they_lie(project: Path, tmp_path: Path) -> None:
    before = prints(project)
    assert len(set(before)) == 4
    moved = tmp_path / "elsewhere" / "deep"
    shutil.copytree(project, moved)
    (moved / "data").rename(moved / "rows")
    assert prints(moved, plan_of(moved, data={"sources": [{"path": "rows/rows.jsonl"}]})) == before


def test_data_changes_everything_and_its_name_counts_because_rows_carry_it(project: Path) -> None:
    before = prints(project)
    (project / "data" / "rows.jsonl").write_text("two\n")
    assert changed(before, prints(project)) == STEPS_OF_RECIPE
    (project / "data" / "rows.jsonl").write_text("one\n")
    (project / "data" / "rows.jsonl").rename(project / "data" / "others.jsonl")
    plan = plan_of(project, data={"sources": [{"path": "data/others.jsonl"}]})
    assert changed(before, prints(project, plan)) == STEPS_OF_RECIPE


def test_the_content_of_the_base_counts_and_its_name_does_not(project: Path) -> None:
    before = prints(project)
    manifest = project / "base" / "model.json"
    manifest.write_text(json.dumps({"name": "other", "files": {"w": "1"}}))
    assert prints(project) == before
    manifest.write_text(json.dumps({"name": "base", "files": {"w": "2"}}))
    assert changed(before, prints(project)) == STEPS_OF_RECIPE


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        ({"train": [{"learning_rate": 1e-4}]}, STEPS_OF_RECIPE[1:]),
        ({"train": [{"max_length": 99}]}, STEPS_OF_RECIPE),
        ({"export": [{"quant": "f16"}]}, STEPS_OF_RECIPE[2:]),
        ({"evaluate": {"seed": 8}}, STEPS_OF_RECIPE[3:]),
        ({"serve": {"port": 1}}, []),
        ({"name": "other"}, STEPS_OF_RECIPE[2:]),
    ],
)
def test_a_section_changes_its_step_and_those_after_it(
    project: Path, changes: dict[str, Any], steps: list[str]
) -> None:
    assert changed(prints(project), prints(project, plan_of(project, **changes))) == steps


def test_the_kind_of_device_counts_and_not_which_one(project: Path) -> None:
    first, second = plan_of(project, "cuda-0"), plan_of(project, "cuda-1")
    assert prints(project, first) == prints(project, second)
    assert changed(prints(project), prints(project, first)) == STEPS_OF_RECIPE


def test_the_dtype_that_the_machine_picks_counts(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = prints(project)
    monkeypatch.setattr("core.models.hardware.pick_precision", lambda setting: "bfloat16")
    assert changed(before, prints(project)) == STEPS_OF_RECIPE[1:]


def test_a_new_version_of_a_library_or_a_step_counts(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = prints(project)
    installed = task.version
    monkeypatch.setattr(task, "version", lambda name: "99" if name == "peft" else installed(name))
    assert changed(before, prints(project)) == STEPS_OF_RECIPE[1:]
    monkeypatch.setattr(task, "version", installed)
    kinds = {**STEPS.kinds, "export": replace(STEPS.kinds["export"], version=99)}
    tasks = all_tasks(plan_of(project), kinds, base_of(project / "base"), Workspace(project))
    assert changed(before, [item.fingerprint for _, item in tasks]) == STEPS_OF_RECIPE[2:]


def test_a_second_test_file_counts_by_content(project: Path) -> None:
    (project / "test.jsonl").write_text("a")
    data = {"sources": [{"path": "data/rows.jsonl"}], "split": {"test": "test.jsonl"}}
    before = prints(project, plan_of(project, data=data))
    (project / "test.jsonl").write_text("b")
    assert changed(before, prints(project, plan_of(project, data=data))) == STEPS_OF_RECIPE


def test_a_folder_counts_by_the_files_in_it(project: Path) -> None:
    plan = plan_of(project, data={"sources": [{"path": "data"}]})
    before = prints(project, plan)
    assert prints(project, plan) == before
    (project / "data" / "more.jsonl").write_text("more\n")
    assert prints(project, plan)[0] != before[0]


def test_the_room_that_steps_need_grows_with_what_they_write(project: Path) -> None:
    plan = plan_of(project)
    small = {"base": project / "base"}
    (project / "base" / "model.safetensors").write_bytes(b"")
    before = {kind: _room(plan, kind, small, project) for kind in STEPS.kinds}
    (project / "base" / "model.safetensors").write_bytes(b"x" * 100_000)
    (project / "data" / "rows.jsonl").write_bytes(b"x" * 100_000)
    assert all(_room(plan, kind, small, project) > before[kind] for kind in STEPS.kinds)


def _room(plan: Plan, kind: str, inputs: dict[str, Path], project: Path) -> int:
    stage = next(stage for stage in plan.stages if stage.kind == kind)
    room = getattr(needs, (STEPS.kinds[kind].room or "").partition(":")[2])
    return int(room(stage.section, inputs, project))
