"""Ask a run to stop, to write a checkpoint, or to go on."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

from core.jobs.launch import start_worker
from core.jobs.records import RunRecord, read_record
from core.jobs.recover import mark_lost
from core.jobs.states import ACTIVE, RESUMABLE
from core.jobs.status import RunLock, StepStatus, is_same_process, read_status, save_state
from core.workspace.events import EventLog, RunStopped
from core.workspace.home import Workspace
from tunery.errors import BadInput

CONTROL = "control"
LOCK_PATIENCE = 5.0


def request_stop(record: RunRecord) -> None:
    """Ask a run to keep what it has and end; returns at once.

    A step that reports nothing any more is killed after its time of grace, and the run
    can be resumed all the same. Raises BadInput when the run has ended.
    """
    state = read_record(record.folder).state
    if state not in (*ACTIVE, "queued"):
        raise BadInput(f"run {record.id} is {state}, so there is nothing to stop")
    _ask(record.folder, "stop")
    status = read_status(record.folder)
    if is_same_process(status) and status.pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(status.pid, signal.SIGTERM)
    else:
        _stop_one_without_worker(record)


def request_checkpoint(record: RunRecord) -> None:
    """Ask the step at work to write a checkpoint now. Raises BadInput when none is at work."""
    state = read_record(record.folder).state
    if state != "running":
        raise BadInput(f"run {record.id} is {state}, so there is nothing to write a checkpoint of")
    _ask(record.folder, "checkpoint")


def resume(workspace: Workspace, record: RunRecord) -> RunRecord:
    """Queue a stopped, failed or lost run again, under its id and with what it has kept.

    Raises BadInput for a run that is done or has not ended.
    """
    folder = record.folder
    lock = RunLock(folder)
    # A step that was killed with its worker may take a moment to be gone.
    if not lock.take(LOCK_PATIENCE if record.state in RESUMABLE else 0.0):
        raise BadInput(f"run {record.id} is at work; `tunery attach {record.id}` shows it")
    try:
        status = read_status(folder)
        if status.state in ACTIVE:
            status = mark_lost(status)
        if status.state not in RESUMABLE:
            raise BadInput(f"run {record.id} is {status.state}, so there is nothing to resume")
        shutil.rmtree(folder / CONTROL, ignore_errors=True)
        again = status.into("queued", queued=time.time(), attempt=status.attempt + 1, ended=None)
        again = replace(again, error=None, error_class=None, exit_code=None, pid=None, step=None)
        again = replace(again, steps=tuple(StepStatus(item.step) for item in status.steps))
        save_state(workspace, folder, again)
    finally:
        lock.release()
    start_worker(workspace, folder)
    return read_record(folder)


def _ask(folder: Path, what: str) -> None:
    control = folder / CONTROL
    control.mkdir(exist_ok=True)
    (control / what).touch()


def _stop_one_without_worker(record: RunRecord) -> None:
    """A queued run whose waiting process was killed is ended here; one that just started hears the file."""
    folder = record.folder
    lock = RunLock(folder)
    if not lock.take():
        return
    try:
        status = read_status(folder)
        if status.state == "queued":
            EventLog(folder / "events.jsonl").append(RunStopped(text="stopped before its turn came"))
            save_state(Workspace(folder.parent.parent), folder, status.into("stopped", ended=time.time()))
    finally:
        lock.release()
