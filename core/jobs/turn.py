"""Wait for the device: one run at a time, in the order in which they were asked for."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict

from core.jobs.heart import Heart
from core.jobs.recover import settle
from core.jobs.status import is_alive, take_lock
from core.workspace.events import EventLog, Log
from core.workspace.home import Workspace
from core.workspace.index import Index, row_from_status
from tunery.errors import Stopped

POLL_SECONDS = 0.3
WAKE_SECONDS = 3.0


def wait_for_turn(heart: Heart, log: EventLog, stop_wanted: Callable[[], bool]) -> int:
    """A descriptor that holds the device's lock, once this run is next.

    Raises Stopped when the run is asked to stop before its turn comes.
    """
    workspace, status = heart.workspace, heart.status
    index = Index(workspace)
    index.put(row_from_status(asdict(status)))
    lock = workspace.locks / f"{status.device}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    told, woken = False, 0.0
    while not stop_wanted():
        descriptor = take_lock(lock)
        if descriptor is not None:
            if _claims(index, status.id, status.device, descriptor):
                return descriptor
            if time.monotonic() - woken > WAKE_SECONDS:
                woken = time.monotonic()
                _wake_those_before(workspace, index, status.id, status.device)
        elif not told:
            told = True
            log.append(Log(text=f"waits for the {status.device}, which another run is using"))
        time.sleep(POLL_SECONDS)
    raise Stopped("stopped before its turn came")


def _claims(index: Index, run_id: str, device: str, descriptor: int) -> bool:
    """Whether it is this run's turn; the device is given back when not."""
    claimed = False
    try:
        claimed = index.claim(run_id, device)
    finally:
        if not claimed:
            os.close(descriptor)
    return claimed


def _wake_those_before(workspace: Workspace, index: Index, run_id: str, device: str) -> None:
    """Give runs that are due earlier their worker back where it was killed, so that none blocks the rest."""
    known = {row.id for row in index.rows()}
    for earlier in index.queue(device):
        if earlier == run_id:
            return
        if earlier in known and not is_alive(workspace.run(earlier)):
            settle(workspace, earlier)
