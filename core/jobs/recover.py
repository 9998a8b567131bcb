"""Set right what a kill or a power cut left: lost runs are marked, waiting ones get their process back."""

from __future__ import annotations

import sys
import time

from core.jobs.launch import start_worker
from core.jobs.states import ACTIVE
from core.jobs.status import RunLock, Status, is_alive, read_status, save_state
from core.pipeline.keep import clear_partials
from core.workspace.events import EventLog, Warned
from core.workspace.home import Workspace
from core.workspace.index import Index
from core.workspace.trash import empty_trash
from tunery.errors import BrokenIntegrity, TuneryError

LOST = (
    "its worker is gone without a word: it was killed, or the machine went down; "
    "`tunery resume {id}` goes on from the last checkpoint"
)


def reap(workspace: Workspace) -> list[str]:
    """Mark runs whose processes are gone as lost, and start the workers of queued runs that have none.

    Every submit, every listing and every start of the app calls this; it costs a look at
    the runs that have not ended. Returns the ids of the runs that were found lost.
    """
    if not workspace.runs.is_dir():
        return []
    open_runs = [row for row in Index(workspace).rows() if row.state in (*ACTIVE, "queued")]
    # Runs at work first: a queued run that is started looks after those before it too, and would tell nobody.
    open_runs.sort(key=lambda row: row.state == "queued")
    lost = [row.id for row in open_runs if settle(workspace, row.id)]
    empty_trash(workspace)
    return lost


def settle(workspace: Workspace, run_id: str) -> bool:
    """Set one run right if no process of it is left; True when it was found lost."""
    folder = workspace.run(run_id)
    if is_alive(folder):
        return False
    lock = RunLock(folder)
    try:
        if not lock.take():
            return False
        before = read_status(folder)
        after = mark_lost(before) if before.state in ACTIVE else before
        if after is not before:
            clear_partials(workspace, run_id)
            EventLog(folder / "events.jsonl").append(Warned(text=after.error or ""))
        # Also where nothing changed: the index may have been told something else last.
        save_state(workspace, folder, after)
    except (FileNotFoundError, BrokenIntegrity) as error:
        print(f"{run_id} is passed over: {error}", file=sys.stderr)  # noqa: T201
        return False
    finally:
        lock.release()
    if after.state == "queued":
        _start(workspace, run_id)
    return after is not before


def mark_lost(status: Status) -> Status:
    """The status of a run that said it was at work when no process of it was left."""
    steps = [item.step for item in status.steps if item.state == "running"]
    ended = status.with_step(steps[0], state="stopped") if steps else status
    return ended.into(
        "lost",
        ended=status.heartbeat or time.time(),
        error=LOST.format(id=status.id),
        error_class="Lost",
        exit_code=1,
    )


def _start(workspace: Workspace, run_id: str) -> None:
    try:
        start_worker(workspace, workspace.run(run_id))
    except TuneryError as error:
        # The run stays queued, and the next look tries again.
        print(str(error), file=sys.stderr)  # noqa: T201
