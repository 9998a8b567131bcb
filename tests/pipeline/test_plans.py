"""A recipe becomes steps in an order in which each comes after what it needs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.pipeline.plan import Plan, make_plan, read_plan
from core.pipeline.steps import STEPS, load, load_table
from core.recipe.recipe import Recipe
from tunery.errors import BadInput, BrokenIntegrity


def recipe(stages: int = 1, quants: tuple[str, ...] = ("f16",)) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "tiny",
            "model": {"base": "base"},
            "data": {"sources": [{"path": "rows.jsonl"}]},
            "train": [{"max_length": 256}] * stages,
            "export": [{"quant": quant} for quant in quants],
        }
    )


def needs(plan: Plan) -> dict[str, dict[str, str]]:
    return {stage.step: dict(stage.needs) for stage in plan.stages}


def test_stages_of_training_follow_one_another_and_exports_take_the_last() -> None:
    assert needs(make_plan(recipe(2, ("f16", "q8_0")), Path("/x"), "cpu")) == {
        "prepare": {},
        "train[0]": {"dataset": "prepare"},
        "train[1]": {"dataset": "prepare", "model": "train[0]"},
        "export[0]": {"dataset": "prepare", "model": "train[1]"},
        "export[1]": {"dataset": "prepare", "model": "train[1]"},
        "evaluate": {
            "dataset": "prepare",
            "model": "train[1]",
            "export[0]": "export[0]",
            "export[1]": "export[1]",
        },
    }


def test_a_recipe_without_exports_is_still_evaluated() -> None:
    plan = make_plan(recipe(quants=()), Path("/x"), "cpu")
    assert [stage.step for stage in plan.stages] == ["prepare", "train[0]", "evaluate"]


def test_the_data_is_prepared_for_the_longest_row_of_the_first_stage() -> None:
    prepare = make_plan(recipe(), Path("/x"), "cpu").stage("prepare")
    section = load(STEPS.kinds["prepare"].section or "").model_validate(prepare.section)
    assert section.max_length == 256
    assert section.data.sources[0].path == "rows.jsonl"


@given(stages=st.integers(1, 3), exports=st.integers(0, 3), last=st.integers(0, 7))
def test_a_plan_never_needs_what_does_not_come_before(stages: int, exports: int, last: int) -> None:
    whole = make_plan(recipe(stages, ("f16", "q8_0", "q4_k_m")[:exports]), Path("/x"), "cpu")
    names = [stage.step for stage in whole.stages]
    until = names[last % len(names)]
    plan = make_plan(recipe(stages, ("f16", "q8_0", "q4_k_m")[:exports]), Path("/x"), "cpu", until)
    assert plan.stages[-1].step == until
    for number, stage in enumerate(plan.stages):
        assert set(stage.needs.values()) <= {earlier.step for earlier in plan.stages[:number]}


def test_a_kind_of_step_stands_for_the_last_of_it() -> None:
    plan = make_plan(recipe(2, ("f16", "q8_0")), Path("/x"), "cpu", until="train")
    assert [stage.step for stage in plan.stages] == ["prepare", "train[0]", "train[1]"]


def test_a_plan_survives_its_file(tmp_path: Path) -> None:
    plan = make_plan(recipe(2, ("f16", "q8_0")), tmp_path, "cuda-0")
    (tmp_path / "plan.json").write_text(json.dumps(plan.to_json()))
    read = read_plan(tmp_path)
    assert json.dumps(read.to_json()) == json.dumps(plan.to_json())
    assert read.device_kind == "cuda"


@pytest.mark.parametrize("text", ["{}", "[]", '{"schema": 1}', '{"schema": 1, "stages": [{}]}', "{"])
def test_a_file_that_is_no_plan_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(BrokenIntegrity):
        read_plan(tmp_path)


def test_only_the_table_of_this_process_is_ever_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_table("core.pipeline.steps:STEPS") is STEPS
    with pytest.raises(BadInput, match="which are not Tunery's"):
        load_table("antigravity:STEPS")
    monkeypatch.setenv("TUNERY_STEP_TABLE", "json:dumps")
    with pytest.raises(BadInput, match="does not name a table"):
        load_table("json:dumps")


@pytest.mark.parametrize("kind", STEPS.kinds.values(), ids=list(STEPS.kinds))
def test_everything_that_the_table_names_is_there(kind: object) -> None:
    for field in ("function", "section", "files", "facts", "room"):
        if name := getattr(kind, field):
            assert callable(load(name)), name


def test_the_base_model_is_found_and_checked_by_functions_that_are_there() -> None:
    assert callable(load(STEPS.find_base))
    assert callable(load(STEPS.check_base))
