"""One run at a time on a device, in order, and none is ever left waiting for nobody."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from core.jobs.control import request_stop, resume
from core.jobs.records import find_run, list_runs
from core.jobs.recover import reap
from core.jobs.status import is_alive, read_status


@pytest.fixture
def three(bench: Any) -> list[Any]:
    """One run in training that waits to be let go, and two that wait behind it."""
    first = bench.submit_held(1, name="first")
    others = [bench.submit(until="train", name=name, train={"seed": 3}) for name in ("second", "third")]
    return [first, *others]


def test_runs_of_one_device_follow_one_another_in_order(bench: Any, three: list[Any]) -> None:
    assert [record.state for record in reversed(list_runs(bench.workspace))] == [
        "running",
        "queued",
        "queued",
    ]
    bench.let_go()
    ended = [bench.finish(record) for record in three]
    assert [record.state for record in ended] == ["done"] * 3
    spans = [(read_status(record.folder).started, read_status(record.folder).ended) for record in three]
    assert spans[0][1] <= spans[1][0]
    assert spans[1][1] <= spans[2][0]
    assert [item.state for item in ended[2].steps] == ["skipped", "skipped"]
    assert "waits for the cpu" in bench.events(three[1], "log")[0]["text"]


def test_a_run_that_waits_can_be_stopped_and_queued_again(bench: Any, three: list[Any]) -> None:
    request_stop(three[1])
    assert bench.finish(three[1]).state == "stopped"
    assert bench.events(three[1], "stopped")[0]["text"] == "stopped before its turn came"
    resume(bench.workspace, find_run(bench.workspace, three[1].id))
    bench.let_go()
    for record in three:
        bench.finish(record)
    # It went to the end of the queue.
    assert read_status(three[2].folder).ended <= read_status(three[1].folder).started


def test_when_the_run_at_work_is_killed_the_next_begins(bench: Any, three: list[Any]) -> None:
    bench.kill_worker(three[0])
    bench.let_go()
    assert [bench.finish(record).state for record in three] == ["lost", "done", "done"]


def test_a_run_whose_waiting_process_was_killed_is_woken_by_those_behind_it(
    bench: Any, three: list[Any]
) -> None:
    bench.kill_worker(three[1])
    bench.let_go()
    assert [bench.finish(record).state for record in three] == ["done"] * 3
    assert read_status(three[1].folder).ended <= read_status(three[2].folder).started


def test_a_look_at_the_runs_wakes_those_whose_process_was_killed(bench: Any, three: list[Any]) -> None:
    for record in three[1:]:
        bench.kill_worker(record)
    assert [record.state for record in list_runs(bench.workspace)[:2]] == ["queued", "queued"]
    reap(bench.workspace)
    assert all(is_alive(record.folder) for record in three)
    bench.let_go()
    assert [bench.finish(record).state for record in three] == ["done"] * 3


def test_when_every_process_is_killed_one_look_starts_the_queue_again(bench: Any, three: list[Any]) -> None:
    for record in reversed(three):
        bench.kill_worker(record)
    assert reap(bench.workspace) == [three[0].id]
    bench.let_go()
    assert [bench.finish(record).state for record in three] == ["lost", "done", "done"]


def test_a_waiting_run_whose_process_was_killed_can_be_stopped(bench: Any, three: list[Any]) -> None:
    bench.kill_worker(three[2])
    request_stop(three[2])
    assert find_run(bench.workspace, three[2].id).state == "stopped"


def test_a_second_worker_of_a_run_ends_at_once(bench: Any, three: list[Any]) -> None:
    from core.jobs import launch

    workers = {read_status(record.folder).pid for record in three}
    os.kill(read_status(three[1].folder).pid, signal.SIGSTOP)
    launch.start_worker(bench.workspace, three[1].folder)
    os.kill(read_status(three[1].folder).pid, signal.SIGCONT)
    bench.let_go()
    assert [bench.finish(record).state for record in three] == ["done"] * 3
    assert {read_status(record.folder).pid for record in three} == workers


def test_a_lost_index_is_rebuilt_while_runs_wait(bench: Any, three: list[Any]) -> None:
    for path in bench.workspace.root.glob("tunery.db*"):
        path.unlink()
    assert len(list_runs(bench.workspace)) == 3
    bench.let_go()
    assert [bench.finish(record).state for record in three] == ["done"] * 3


def test_a_damaged_index_is_rebuilt_while_runs_wait(bench: Any, three: list[Any]) -> None:
    for path in bench.workspace.root.glob("tunery.db*"):
        path.write_bytes(b"this is no database, and never was one" * 100)
    assert [record.name for record in list_runs(bench.workspace)] == ["third", "second", "first"]
    bench.let_go()
    assert [bench.finish(record).state for record in three] == ["done"] * 3
