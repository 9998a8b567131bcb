"""The process behind a run: `python -P -m core.jobs.worker RUN_DIR`.

A light supervisor. It waits for the device, does the steps one after another, each in
a child of its own, and keeps `status.json` true until the end. It ignores SIGHUP; on
SIGTERM, or when somebody put the file `stop` into `control/`, it asks the step to keep
what it has and ends.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from core.jobs.heart import Heart
from core.jobs.recover import reap
from core.jobs.status import RunLock, Status, read_status, this_process, write_status
from core.jobs.supervise import StepFailed, Supervisor
from core.jobs.turn import wait_for_turn
from core.pipeline.child import WORK
from core.pipeline.keep import clear_partials
from core.pipeline.task import TASKS
from core.pipeline.trouble import Trouble, trouble_of
from core.workspace.events import EventLog, RunDone, RunFailed, RunResumed, RunStopped
from core.workspace.home import Workspace
from tunery.errors import Stopped, TuneryError
from tunery.files import remove_partials

# Long enough for a viewer that looks whether the lock is free.
LOCK_PATIENCE = 2.0


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="core.jobs.worker")
    parser.add_argument("run", type=Path)
    parser.add_argument("--ready", type=int, help="descriptor to write to once the status names this process")
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    folder: Path = chosen.run.resolve()
    workspace = Workspace(folder.parent.parent)
    lock = RunLock(folder)
    status = read_status(folder) if lock.take(LOCK_PATIENCE) else None
    if status is not None and status.state == "queued":
        status = replace(status, **this_process())
        write_status(folder, status)
    if chosen.ready is not None:
        with contextlib.suppress(BrokenPipeError):
            os.write(chosen.ready, b"1")
        os.close(chosen.ready)
    if status is None or lock.descriptor is None:
        return 0  # Another worker has this run.
    if status.state == "queued":
        _clear_up(workspace, folder)
        with Heart(workspace, folder, status) as heart:
            _do(heart, lock.descriptor, lambda: bool(asked) or (folder / "control" / "stop").exists())
    lock.release()
    reap(workspace)
    return 0


def _do(heart: Heart, run_lock: int, stop_wanted: Callable[[], bool]) -> None:
    """The run from the queue to its end; whatever happens is in the status afterwards."""
    log = EventLog(heart.folder / "events.jsonl")
    try:
        device_lock = wait_for_turn(heart, log, stop_wanted)
        try:
            heart.change(lambda status: status.into("starting", started=status.started or time.time()))
            if heart.status.attempt > 1:
                log.append(RunResumed())
            Supervisor(heart, log, stop_wanted, (run_lock, device_lock)).run()
        finally:
            os.close(device_lock)
    except Stopped as stopped:
        log.append(RunStopped(text=str(stopped)))
        heart.change(lambda status: _end_step(status, "stopped").into("stopped", ended=time.time()))
    except StepFailed as failed:
        _fail(heart, log, failed.trouble)
    except Exception as error:  # the border of the process: a run must never end without a word
        _fail(heart, log, trouble_of(error, "the worker"))
    else:
        log.append(RunDone())
        heart.change(lambda status: status.into("done", step=None, ended=time.time(), exit_code=0))
        for name in (WORK, TASKS):
            shutil.rmtree(heart.folder / name, ignore_errors=True)


def _fail(heart: Heart, log: EventLog, trouble: Trouble) -> None:
    log.append(RunFailed(step=heart.status.step, **asdict(trouble)))
    heart.change(
        lambda status: _end_step(status, "failed").into("failed", ended=time.time(), **asdict(trouble))
    )


def _end_step(status: Status, state: str) -> Status:
    """The step that was at work, ended with the run."""
    running = [item.step for item in status.steps if item.state == "running"]
    return status.with_step(running[0], state=state) if running else status


def _clear_up(workspace: Workspace, folder: Path) -> None:
    """Remove the halves that a killed worker and its step left, and end a torn last line."""
    remove_partials(folder)
    remove_partials(folder / TASKS)
    clear_partials(workspace, folder.name)
    events = folder / "events.jsonl"
    if events.is_file() and events.stat().st_size:
        with open(events, "rb+") as handle:
            handle.seek(-1, os.SEEK_END)
            if handle.read() != b"\n":
                handle.write(b"\n")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except TuneryError as error:
        sys.exit(str(error))
