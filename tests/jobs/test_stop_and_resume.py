"""A run that was stopped, failed or lost goes on as if nothing had happened."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from core.jobs.control import request_checkpoint, request_stop, resume
from core.jobs.records import find_run
from core.jobs.recover import reap
from core.jobs.status import is_alive, read_status
from tunery.errors import BadInput


@pytest.fixture
def undisturbed(bench: Any) -> str:
    """The weights of a run that nothing happened to, in a workspace that is then emptied."""
    weights = str(bench.weights(bench.run(until="train")))
    shutil.rmtree(bench.workspace.root)
    return weights


def test_a_run_stops_when_asked_and_goes_on_where_it_stopped(bench: Any, undisturbed: str) -> None:
    record = bench.submit_held(4)
    request_stop(record)
    stopped = bench.finish(record)
    assert (stopped.state, stopped.step, stopped.error) == ("stopped", "train[0]", None)
    assert [item.state for item in stopped.steps] == ["done", "stopped"]
    at = bench.events(record, "metric")[-1]["at"]
    assert bench.events(record)[-1]["text"] == f"stopped at step {at}"
    again = resume(bench.workspace, stopped)
    assert again.id == record.id
    done = bench.finish(again)
    assert done.state == "done"
    assert [event["at"] for event in bench.events(record, "metric")] == list(range(1, 13))
    assert [(event["step"], event["at"]) for event in bench.events(record, "resumed")] == [
        (None, None),
        ("train[0]", at),
    ]
    assert bench.weights(done) == undisturbed


def test_sigterm_to_the_worker_stops_the_run_as_well(bench: Any, undisturbed: str) -> None:
    record = bench.submit_held(2)
    os.kill(read_status(record.folder).pid, signal.SIGTERM)
    assert bench.finish(record).state == "stopped"


def test_a_stop_that_comes_while_a_step_finishes_takes_effect_before_the_next(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINY_PREPARE", "stop-later")
    stopped = bench.run()
    assert [item.state for item in stopped.steps] == ["done", "waiting", "waiting", "waiting"]
    assert (stopped.state, stopped.step) == ("stopped", "prepare")
    assert bench.events(stopped)[-1]["text"] == "stopped before train[0]"
    assert bench.finish(resume(bench.workspace, stopped)).state == "done"


def test_a_step_that_does_not_listen_is_killed_and_the_run_is_stopped(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINY_TRAIN", "deaf")
    record = bench.submit_held(1)
    request_stop(record)
    assert bench.finish(record).state == "stopped"
    assert bench.events(record, "warning")[-1]["text"] == "did not stop within 1 s and was killed"
    assert bench.events(record, "metric")[-1]["at"] == 1


def test_a_checkpoint_is_written_when_asked(bench: Any) -> None:
    record = bench.submit_held(1)
    request_checkpoint(record)
    bench.wait_until(lambda: (record.folder / "work" / "train[0]" / "asked.json").exists())
    bench.let_go()
    assert bench.finish(record).state == "done"


@pytest.mark.parametrize("at", [1, 5, 9])
@pytest.mark.parametrize("victims", ["worker", "child", "both"])
def test_kill_9_in_the_middle_of_training_changes_nothing_in_the_end(
    bench: Any, undisturbed: str, victims: str, at: int
) -> None:
    record = bench.submit_held(at)
    child = bench.child_of(record)
    if victims != "worker":
        os.kill(child, signal.SIGKILL)
    if victims != "child":
        bench.kill_worker(record)
    after = bench.finish(record)
    assert after.state == ("failed" if victims == "child" else "lost")
    bench.wait_until(lambda: not is_alive(record.folder))
    done = bench.finish(resume(bench.workspace, after))
    assert done.state == "done"
    assert bench.weights(done) == undisturbed


def test_a_lost_run_is_seen_as_lost_and_recorded_as_such(bench: Any) -> None:
    record = bench.submit_held(2)
    bench.kill_worker(record)
    seen = find_run(bench.workspace)
    assert (seen.state, seen.error_class, seen.exit_code) == ("lost", "Lost", 1)
    assert f"`tunery resume {record.id}`" in seen.error
    assert read_status(record.folder).state == "running"
    assert reap(bench.workspace) == [record.id]
    assert read_status(record.folder).state == "lost"
    assert reap(bench.workspace) == []
    assert find_run(bench.workspace).error == seen.error


def test_a_step_never_outlives_its_worker(bench: Any) -> None:
    record = bench.submit_held(1)
    bench.kill_worker(record)
    seen = len(bench.events(record))
    time.sleep(0.3)
    assert len(bench.events(record)) == seen


def test_checkpoints_of_other_data_are_not_taken_over(bench: Any) -> None:
    record = bench.submit_held(7)
    bench.kill_worker(record)
    (bench.folder / "rows.jsonl").write_text("five\n")
    done = bench.finish(resume(bench.workspace, find_run(bench.workspace)))
    other = bench.run(until="train", name="other")
    assert [item.state for item in other.steps] == ["skipped", "skipped"]
    assert "train[0]" not in [event["step"] for event in bench.events(record, "resumed")]
    assert bench.weights(done) == bench.weights(other)


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda bench, record: request_stop(record), "nothing to stop"),
        (lambda bench, record: request_checkpoint(record), "nothing to write a checkpoint of"),
        (lambda bench, record: resume(bench.workspace, record), "nothing to resume"),
    ],
)
def test_a_run_that_is_done_cannot_be_asked_for_anything(
    bench: Any, ask: Callable[[Any, Any], object], sentence: str
) -> None:
    record = bench.run(until="prepare")
    with pytest.raises(BadInput, match=f"is done, so there is {sentence}"):
        ask(bench, record)
    assert find_run(bench.workspace).state == "done"


def test_a_run_at_work_cannot_be_resumed(bench: Any) -> None:
    record = bench.submit_held(1)
    with pytest.raises(BadInput, match="is at work; `tunery attach"):
        resume(bench.workspace, find_run(bench.workspace))
    bench.let_go()
    assert bench.finish(record).state == "done"


def test_a_torn_last_event_of_a_killed_step_does_not_hide_the_next(bench: Any) -> None:
    record = bench.submit_held(4)
    bench.kill_worker(record)
    with open(record.folder / "events.jsonl", "ab") as handle:
        handle.write(b'{"time": 1, "kind": "met')
    resume(bench.workspace, find_run(bench.workspace))
    bench.finish(record)
    assert bench.events(record, "resumed")[0]["step"] is None
