from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.workspace.home import Workspace
from tui.curves import with_curves
from tui.next_step import next_step
from tui.story import Story, is_number_of_a_step, line_of
from tui.views import RunView, ServerView
from tui.widgets.live_chart import thinned
from tui.words import duration, first_line, number, seconds_of

KINDS = ["step_started", "step_skipped", "step_finished", "progress", "metric", "log", "sample", "artifact"]
VALUES = st.none() | st.integers(-5, 10**6) | st.floats(allow_nan=False, allow_infinity=False)
EVENTS = st.fixed_dictionaries(
    {"kind": st.sampled_from([*KINDS, "warning", "stopped", "resumed", "failed", "done", "of tomorrow"])},
    optional={
        "time": st.floats(0, 2e9),
        "step": st.sampled_from(["prepare", "train[0]", "train[1]", None]),
        "at": st.integers(0, 100),
        "done": st.integers(0, 10),
        "of": st.integers(0, 10),
        "eta": st.none() | st.floats(0, 1e9),
        "seconds": st.none() | st.floats(0, 1e9),
        "metrics": st.dictionaries(st.sampled_from(["loss", "validation_loss", "odd"]), VALUES),
        "text": st.text(),
    },
)


def metric(at: int, step: str = "train[0]", **metrics: float) -> dict[str, Any]:
    return {"time": 1.0, "kind": "metric", "step": step, "at": at, "metrics": metrics}


@given(st.lists(EVENTS, max_size=40))
def test_any_events_are_taken_in_and_every_line_is_text(events: list[dict[str, Any]]) -> None:
    story = Story()
    story.read(events)
    assert story.events == len(events)
    for event in events:
        assert line_of(event) is None or isinstance(line_of(event), str)
    for points in story.series.values():
        positions = [at for at, _ in points]
        assert positions == sorted(set(positions))


def test_a_resumed_training_goes_on_with_the_curve_it_had() -> None:
    story = Story()
    story.read(metric(at, loss=1 / at) for at in range(1, 11))
    story.read([{"kind": "resumed", "step": "train[0]", "at": 6}])
    story.read(metric(at, loss=1 / at) for at in range(7, 13))
    assert [at for at, _ in story.points("loss")] == list(range(1, 13))


def test_a_second_stage_draws_its_own_curve() -> None:
    story = Story()
    story.read([metric(1, loss=3.0), metric(1, step="train[1]", loss=0.5)])
    assert story.points("loss") == [(1, 0.5)]
    assert story.latest == {"loss": 0.5}


def test_numbers_of_steps_are_for_charts_and_validation_is_for_the_log() -> None:
    assert is_number_of_a_step(metric(3, loss=1.0))
    assert not is_number_of_a_step(metric(3, validation_loss=1.0))
    assert line_of(metric(3, validation_loss=1.0)).endswith("train[0]: at 3: validation loss 1.000")


def test_a_skipped_training_shows_the_curve_of_the_run_that_did_it(tmp_path: Path) -> None:
    folder = tmp_path / "artifacts" / "model" / "abc"
    folder.mkdir(parents=True)
    (folder / "curves.jsonl").write_text('{"at": 1, "loss": 2.0}\n{"at": 2, "loss": 1.5}\n')
    skipped = {"time": 5.0, "kind": "step_skipped", "step": "train[0]", "artifact": "model/abc"}
    story = Story()
    story.read(with_curves(Workspace(tmp_path), [skipped]))
    assert story.points("loss") == [(1, 2.0), (2, 1.5)]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=500), st.integers(10, 100))
def test_a_thinned_curve_keeps_its_ends_its_peak_and_its_dip(values: list[float], most: int) -> None:
    points = list(enumerate(values))
    kept = thinned(points, most)
    assert kept[0] == points[0] and kept[-1] == points[-1]
    assert {max(values), min(values)} <= {value for _, value in kept}
    assert len(kept) <= max(most, 10) + 4


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0, "0"), (0.00034, "3.4e-04"), (1.23456, "1.235"), (42.5, "42.5"), (1234.5, "1,234")],
)
def test_numbers_show_the_figures_that_matter(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (-1, "-"), (4.4, "4s"), (75, "1m 15s"), (3600, "1h 00m"), (7265, "2h 01m")],
)
def test_durations_are_short(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_times_may_be_seconds_or_iso_text() -> None:
    assert seconds_of("2026-11-22T04:07:06+00:00") == seconds_of(1795320426.0)
    assert seconds_of(None) is None


@given(st.text(), st.integers(0, 40))
def test_a_first_line_is_one_line_and_fits(text: str, width: int) -> None:
    line = first_line(text, width)
    assert len(line) <= max(width, 1)
    assert "\n" not in line


def run(state: str, *steps: str) -> RunView:
    return RunView("tiny-1", "tiny", state, error="no room", steps=tuple((step, "done") for step in steps))


@pytest.mark.parametrize(
    ("recipe", "runs", "action"),
    [
        (None, [], "init"),
        ("recipe.yaml", [], "run"),
        ("recipe.yaml", [run("running")], "attach"),
        ("recipe.yaml", [run("done", "export[0]"), run("queued")], "attach"),
        ("recipe.yaml", [run("failed")], "attach"),
        ("recipe.yaml", [run("stopped")], "resume"),
        ("recipe.yaml", [run("lost")], "resume"),
        ("recipe.yaml", [run("done", "train[0]")], "run"),
        (None, [run("done", "train[0]")], "attach"),
        ("recipe.yaml", [run("done", "train[0]", "export[0]")], "serve"),
    ],
)
def test_the_next_step_follows_from_what_there_is(
    recipe: str | None, runs: list[RunView], action: str
) -> None:
    step = next_step(recipe, runs, [])
    assert step.action == action
    assert step.title and step.about and step.button


def test_a_model_that_is_served_is_for_talking_to() -> None:
    server = ServerView("s", "tiny", "ready", "http://127.0.0.1:8080/v1")
    step = next_step("recipe.yaml", [run("done", "export[0]")], [server])
    assert (step.action, step.target) == ("chat", "tiny-1")
    assert server.url in step.title


def test_the_json_of_a_run_names_what_scripts_rely_on(tmp_path: Path) -> None:
    from core.jobs.records import RunRecord
    from core.jobs.status import StepStatus
    from tui.cli.listing import run_json

    record = RunRecord(
        "i", "n", "done", None, 1.0, None, None, None, None, 0, tmp_path, (StepStatus("prepare"),)
    )
    value = json.loads(json.dumps(run_json(record)))
    assert {"id", "name", "state", "step", "progress", "started", "ended", "error"} <= set(value)
    assert value["steps"][0]["step"] == "prepare"
