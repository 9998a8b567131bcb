"""The data of a recipe before there is a run, and of a run by its name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.jobs.datasets import NamedDataset, base_of_run, dataset_in, dataset_of_run
from core.jobs.prepared import PreparedData, inspect_recipe, prepare_dataset
from core.jobs.records import RunRecord
from core.jobs.status import StepStatus
from core.pipeline.plan import PLAN_FILE, make_plan
from core.pipeline.steps import load_table
from core.pipeline.task import all_tasks, base_of
from core.recipe.load import load_recipe
from core.recipe.recipe import Recipe
from core.workspace.artifacts import read_artifact
from core.workspace.events import Event
from core.workspace.home import Workspace
from tui.facade import CoreFacade
from tunery.errors import BadInput, NotThere
from tunery.files import write_json_whole

WORDS = ["snow", "dogs", "beds", "soup", "keys", "maps", "rain", "boots", "lamps", "trains"]


def nothing(event: Event) -> None:
    """Nobody listens."""


@pytest.fixture
def recipe_file(tmp_path: Path, tiny_model_folder: Path) -> Path:
    """Forty short conversations for the tiny model."""
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"What about {WORDS[n % 10]} and {WORDS[n // 10]} at hut {n}?"},
                {"role": "assistant", "content": f"The {WORDS[n % 10]} of hut {n} wait behind the door."},
            ]
        }
        for n in range(40)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = {
        "name": "huts",
        "model": {"base": str(tiny_model_folder)},
        "data": {"sources": [{"path": "rows.jsonl"}]},
        "train": {"max_length": 256},
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    return tmp_path / "recipe.yaml"


def prepared(recipe_file: Path, workspace: Workspace) -> tuple[Recipe, PreparedData]:
    recipe = load_recipe(recipe_file)
    return recipe, prepare_dataset(recipe, recipe_file.parent, workspace, nothing)


def run_of(recipe: Recipe, recipe_file: Path, workspace: Workspace, artifact: Path | None) -> RunRecord:
    """A run whose prepare step made or found `artifact`."""
    folder = workspace.run("huts-1")
    folder.mkdir(parents=True)
    write_json_whole(folder / PLAN_FILE, make_plan(recipe, recipe_file.parent, "cpu").to_json())
    made = f"dataset/{artifact.name}" if artifact else None
    steps = (StepStatus("prepare", "done" if made else "running", made),)
    return RunRecord("huts-1", "huts", "running", None, None, None, None, None, None, None, folder, steps)


def test_a_run_finds_what_a_look_has_prepared(recipe_file: Path, workspace: Workspace) -> None:
    recipe, found = prepared(recipe_file, workspace)
    plan = make_plan(recipe, recipe_file.parent, "cpu", until="prepare")
    ((_, task),) = all_tasks(plan, load_table(plan.table).kinds, base_of(found.base), workspace)
    assert Path(task.artifact) == found.dataset
    assert read_artifact(found.dataset).kind == "dataset"


def test_a_second_look_prepares_nothing(recipe_file: Path, workspace: Workspace) -> None:
    _, found = prepared(recipe_file, workspace)
    told: list[Event] = []
    again = prepare_dataset(load_recipe(recipe_file), recipe_file.parent, workspace, told.append)
    assert again == found
    assert told == []


def test_changed_rows_are_prepared_again(recipe_file: Path, workspace: Workspace) -> None:
    _, found = prepared(recipe_file, workspace)
    rows = recipe_file.with_name("rows.jsonl")
    rows.write_text(rows.read_text().replace("lamps", "candles"))
    assert prepared(recipe_file, workspace)[1].dataset != found.dataset


def test_a_damaged_artifact_is_made_again(recipe_file: Path, workspace: Workspace) -> None:
    _, found = prepared(recipe_file, workspace)
    (found.dataset / "report.json").unlink()
    assert prepared(recipe_file, workspace)[1] == found
    assert (found.dataset / "report.json").is_file()


def test_a_refused_row_leaves_nothing_behind(recipe_file: Path, workspace: Workspace) -> None:
    with open(recipe_file.with_name("rows.jsonl"), "a") as rows:
        rows.write('{"messages": [{"role": "user", "content": "and now?"}]}\n')
    with pytest.raises(BadInput, match=r"rows\.jsonl line 41"):
        prepared(recipe_file, workspace)
    assert list(workspace.artifacts.rglob("*.jsonl")) == []


def test_a_base_that_is_not_there_is_the_same_sentence_from_the_other_process(
    recipe_file: Path, workspace: Workspace
) -> None:
    recipe = load_recipe(recipe_file)
    gone = recipe.model_copy(update={"model": recipe.model.model_copy(update={"base": "no-such-model"})})
    with pytest.raises(BadInput, match="neither a packaged starter"):
        prepare_dataset(gone, recipe_file.parent, workspace, nothing)


def test_looking_needs_no_model_and_keeps_nothing(recipe_file: Path, workspace: Workspace) -> None:
    report = inspect_recipe(load_recipe(recipe_file), recipe_file.parent, workspace, nothing)
    assert (report.rows, report.usable) == (40, 40)
    assert not workspace.root.exists() or not list(workspace.root.rglob("*.jsonl"))


def test_a_run_knows_its_dataset_its_settings_and_its_base(recipe_file: Path, workspace: Workspace) -> None:
    recipe, found = prepared(recipe_file, workspace)
    record = run_of(recipe, recipe_file, workspace, found.dataset)
    named = dataset_of_run(workspace, record)
    assert (named.name, named.folder) == ("huts-1", found.dataset)
    assert named.settings["data.sources.0.path"] == "rows.jsonl"
    assert named.settings["train.max_length"] == 256
    assert base_of_run(workspace, record) == found.base


def test_a_run_that_has_prepared_nothing_says_how_to_watch_it(
    recipe_file: Path, workspace: Workspace
) -> None:
    record = run_of(load_recipe(recipe_file), recipe_file, workspace, None)
    with pytest.raises(NotThere, match="tunery attach huts-1"):
        dataset_of_run(workspace, record)


def test_an_artifact_knows_its_settings_without_a_run(recipe_file: Path, workspace: Workspace) -> None:
    recipe, found = prepared(recipe_file, workspace)
    of_run = dataset_of_run(workspace, run_of(recipe, recipe_file, workspace, found.dataset))
    named = NamedDataset(f"huts {found.dataset.name[:12]}", found.dataset, of_run.settings)
    assert dataset_in(found.dataset) == named


def test_an_artifact_of_another_kind_is_no_dataset(recipe_file: Path, workspace: Workspace) -> None:
    _, found = prepared(recipe_file, workspace)
    record = found.dataset / "artifact.json"
    record.write_text(record.read_text().replace('"kind": "dataset"', '"kind": "report"'))
    with pytest.raises(NotThere, match="holds a report and no dataset"):
        dataset_in(found.dataset)


def test_the_app_shows_a_recipes_data_and_a_runs_data_and_tokens(
    recipe_file: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, found = prepared(recipe_file, workspace)
    record = run_of(recipe, recipe_file, workspace, found.dataset)
    facade = CoreFacade(recipe_file.parent)
    monkeypatch.setattr(facade, "_record", lambda run_id: record)
    assert "40 rows read, 40 usable" in str(facade.inspect("recipe.yaml").text)
    assert "tokens" in str(facade.dataset("huts-1").text)
    tokens = str(facade.tokens("huts-1").text)
    assert "train row 20 of 32" in tokens
    assert "12 more: `tunery data tokens huts-1 --row 21`" in tokens
    assert "wait behind the door.<|im_end|>" in tokens
