"""The state machine of a run: as a table, and as it is walked by random people and kills."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from core.jobs.records import find_run, list_runs
from core.jobs.recover import mark_lost, settle
from core.jobs.states import ACTIVE, ENDED, FOLLOWS, RESUMABLE, STATES, State, check_follows
from core.jobs.status import RunLock, Status, StepStatus, is_alive, read_status, save_state, write_status
from core.workspace.home import Workspace
from core.workspace.index import Index, repair
from tunery.errors import TuneryError

states = st.sampled_from(STATES)


def new_status(
    run_id: str = "20261122-0312-tiny-a3f", state: State = "queued", queued: float = 1.0
) -> Status:
    return Status(
        run_id, "tiny", state, "cpu", queued, queued, (StepStatus("prepare"), StepStatus("train[0]"))
    )


def test_the_table_knows_every_state_and_names_no_other() -> None:
    assert set(FOLLOWS) == set(STATES)
    assert set().union(*FOLLOWS.values()) <= set(STATES)
    assert {"queued"} | ACTIVE | ENDED == set(STATES)


def test_every_state_can_be_reached_and_every_run_can_end() -> None:
    reached: set[State] = {"queued"}
    while more := set().union(*(FOLLOWS[state] for state in reached)) - reached:
        reached |= more
    assert reached == set(STATES)
    for state in STATES:
        assert state in ENDED or FOLLOWS[state] & ENDED


def test_only_what_was_at_work_can_be_lost_and_only_what_ended_is_queued_again() -> None:
    assert {state for state in STATES if "lost" in FOLLOWS[state]} == ACTIVE
    assert {state for state in STATES if "queued" in FOLLOWS[state]} == RESUMABLE == ENDED - {"done"}
    assert FOLLOWS["done"] == frozenset()


@given(before=states, after=states)
def test_a_status_only_changes_along_the_table(before: State, after: State) -> None:
    status = new_status(state=before)
    if before == after or after in FOLLOWS[before]:
        assert status.into(after).state == after
    else:
        with pytest.raises(TuneryError, match=f"{before} cannot become {after}"):
            check_follows(before, after)


@given(state=states, step=st.text(), error=st.none() | st.text(), code=st.none() | st.integers(0, 255))
@settings(deadline=None)
def test_a_status_survives_its_file(
    tmp_path_factory: pytest.TempPathFactory, state: State, step: str, error: str | None, code: int | None
) -> None:
    folder = tmp_path_factory.mktemp("run")
    status = Status(
        "id", "tiny", state, "cpu", 1.5, 2.5, (StepStatus(step, "done", "model/f", 0.1),), step=step,
        error=error.encode("utf-8", "replace").decode() if error else error, exit_code=code,
    )  # fmt: skip
    write_status(folder, status)
    assert read_status(folder) == status


@given(state=st.sampled_from(sorted(ACTIVE)), running=st.booleans())
def test_a_lost_run_keeps_when_it_was_last_heard_of(state: State, running: bool) -> None:
    status = new_status(state=state)
    if running:
        status = status.with_step("train[0]", state="running")
    lost = mark_lost(Status(**{**vars(status), "heartbeat": 7.0}))
    assert (lost.state, lost.ended, lost.exit_code, lost.error_class) == ("lost", 7.0, 1, "Lost")
    assert [item.state for item in lost.steps] == ["waiting", "stopped" if running else "waiting"]


class RunsOfAWorkspace(RuleBasedStateMachine):
    """Workers live, die and write; the index forgets; whatever the order, the truth can be read."""

    folders = count()
    root: Path

    def __init__(self) -> None:
        super().__init__()
        self.workspace = Workspace(type(self).root / f"home-{next(type(self).folders)}")
        self.expected: dict[str, State] = {}
        self.workers: dict[str, RunLock] = {}
        self.number = 0

    def ids(self, *wanted: State) -> list[str]:
        return [run_id for run_id, state in self.expected.items() if state in wanted]

    def save(self, run_id: str, state: State) -> None:
        folder = self.workspace.run(run_id)
        save_state(self.workspace, folder, read_status(folder).into(state))
        self.expected[run_id] = state

    @rule()
    def submit(self) -> None:
        self.number += 1
        run_id = f"20261122-0312-tiny-{self.number:03}"
        self.workspace.run(run_id).mkdir(parents=True)
        save_state(self.workspace, self.workspace.run(run_id), new_status(run_id, queued=float(self.number)))
        self.expected[run_id] = "queued"

    @precondition(lambda self: self.ids("queued") and not self.workers)
    @rule()
    def a_worker_takes_the_next(self) -> None:
        run_id = self.ids("queued")[0]
        first = Index(self.workspace).queue("cpu")[0]
        assert Index(self.workspace).claim(first, "cpu")
        assert not Index(self.workspace).claim(first, "cpu")
        run_id = first
        lock = RunLock(self.workspace.run(run_id))
        assert lock.take()
        self.workers[run_id] = lock
        self.save(run_id, "starting")

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def a_worker_goes_on(self, data: st.DataObject) -> None:
        run_id = next(iter(self.workers))
        follows = sorted(FOLLOWS[self.expected[run_id]] - {"lost"})
        self.save(run_id, data.draw(st.sampled_from(follows)))
        if self.expected[run_id] in ENDED:
            self.workers.pop(run_id).release()

    @precondition(lambda self: self.workers)
    @rule()
    def a_worker_is_killed(self) -> None:
        run_id, lock = self.workers.popitem()
        lock.release()
        self.expected[run_id] = "lost"

    @precondition(lambda self: self.ids(*RESUMABLE))
    @rule(data=st.data())
    def somebody_resumes(self, data: st.DataObject) -> None:
        run_id = data.draw(st.sampled_from(self.ids(*RESUMABLE)))
        settle(self.workspace, run_id)
        self.save(run_id, "queued")

    @rule()
    def somebody_looks(self) -> None:
        for run_id in self.ids(*ACTIVE, "lost"):
            settle(self.workspace, run_id)

    @rule()
    def the_index_is_repaired(self) -> None:
        assert repair(self.workspace) == len(self.expected)

    @rule()
    def the_index_is_damaged(self) -> None:
        self.workspace.root.mkdir(exist_ok=True)
        self.workspace.index.write_bytes(b"not a database" * 200)

    @invariant()
    def the_truth_can_be_read(self) -> None:
        assert {record.id: record.state for record in list_runs(self.workspace)} == self.expected
        for run_id in self.expected:
            assert is_alive(self.workspace.run(run_id)) == (run_id in self.workers)
        if self.expected:
            assert find_run(self.workspace).id == max(self.expected)

    def teardown(self) -> None:
        for lock in self.workers.values():
            lock.release()


def test_whatever_happens_in_whatever_order_the_truth_can_be_read(tmp_path: Path) -> None:
    RunsOfAWorkspace.root = tmp_path
    machine = RunsOfAWorkspace.TestCase
    machine.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
    machine().runTest()
