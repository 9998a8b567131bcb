"""A recipe may take its rows from an earlier run, or mix some of them in."""

from __future__ import annotations

from typing import Any

import pytest

from core.jobs.earlier import with_earlier_data
from tunery.errors import NotThere


def data(**changes: Any) -> dict[str, Any]:
    return {"sources": [{"path": "rows.jsonl"}], **changes}


def test_a_runs_name_becomes_the_file_of_its_training_rows(bench: Any) -> None:
    earlier = bench.run(until="prepare", name="before")
    made = next(step.artifact for step in earlier.steps if step.step == "prepare")
    rows = bench.workspace.artifacts / made / "train.jsonl"
    rows.write_text("{}\n")
    recipe = bench.recipe(
        data=data(sources=[{"path": "run:before", "weight": 2}], replay={"run": "before", "share": 0.2})
    )
    found = with_earlier_data(recipe, bench.workspace).data
    assert found.sources[0].path == str(rows)
    assert found.sources[0].weight == 2
    assert found.replay.run == str(rows)
    # A recipe that was looked up already stays as it is.
    assert with_earlier_data(recipe.model_copy(update={"data": found}), bench.workspace).data == found


def test_a_run_that_is_not_there_is_told_in_one_sentence(bench: Any) -> None:
    recipe = bench.recipe(data=data(replay={"run": "nobody"}))
    with pytest.raises(NotThere, match=r"no runs here yet|there is no run"):
        with_earlier_data(recipe, bench.workspace)


def test_a_run_whose_rows_are_gone_says_how_to_get_them_back(bench: Any) -> None:
    bench.run(until="prepare", name="before")
    recipe = bench.recipe(data=data(sources=[{"path": "run:before"}]))
    with pytest.raises(NotThere, match="run its recipe again with --until prepare"):
        with_earlier_data(recipe, bench.workspace)
