"""A run's `status.json`, and the lock that says whether its worker lives.

Whoever holds the run's lock may write the status; nobody else does. The worker holds
it for its whole life and hands it to the step's child, so that a free lock proves
that no process of the run is left, also after a `kill -9` and also when a pid was
given to another process since.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

from core.jobs.states import STATES, State, check_follows
from core.workspace.home import Workspace
from core.workspace.index import STATUS_FILE, Index, row_from_status
from serve.servers import process_start
from tunery.errors import BrokenIntegrity
from tunery.files import read_json, write_json_whole

LOCK_FILE = "lock"
HEARTBEAT_SECONDS = 2.0
SCHEMA = 1


@dataclass(frozen=True)
class StepStatus:
    """One step: `state` is waiting, running, skipped, done, failed or stopped.

    `artifact` is "kind/fingerprint" once there is one; `seconds` is how long it worked.
    """

    step: str
    state: str = "waiting"
    artifact: str | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Status:
    """How a run is. Times are Unix seconds; `process_start` is in clock ticks since boot.

    `attempt` counts from 1 and grows with every resume. `step` is the one at work, or
    the one at which the run ended.
    """

    id: str
    name: str
    state: State
    device: str
    submitted: float
    queued: float
    steps: tuple[StepStatus, ...]
    attempt: int = 1
    step: str | None = None
    started: float | None = None
    ended: float | None = None
    pid: int | None = None
    process_start: int | None = None
    boot_id: str | None = None
    heartbeat: float | None = None
    error: str | None = None
    error_class: str | None = None
    exit_code: int | None = None
    schema: int = SCHEMA

    def into(self, state: State, **changes: Any) -> Status:
        """A copy in another state; raises TuneryError when `state` may not follow."""
        check_follows(self.state, state)
        return replace(self, state=state, **changes)

    def with_step(self, name: str, **changes: Any) -> Status:
        """A copy in which one step differs."""
        steps = tuple(replace(item, **changes) if item.step == name else item for item in self.steps)
        return replace(self, steps=steps)


def read_status(folder: Path) -> Status:
    """Read a run's status. Raises BrokenIntegrity when it is not one."""
    path = folder / STATUS_FILE
    try:
        value = read_json(path)
        steps = tuple(StepStatus(**step) for step in value.pop("steps"))
        status = Status(**value, steps=steps)
    except FileNotFoundError:
        raise BrokenIntegrity(f"{path} is missing, so this is not a run; remove the folder") from None
    except (TypeError, KeyError, AttributeError) as error:
        raise BrokenIntegrity(f"{path} does not describe a run ({error}); remove the folder") from None
    if status.schema != SCHEMA or status.state not in STATES:
        raise BrokenIntegrity(f"{path} was written by another version of Tunery; use that one for this run")
    return status


def write_status(folder: Path, status: Status) -> None:
    """Replace the status; call it only while holding the run's lock."""
    write_json_whole(folder / STATUS_FILE, asdict(status))


def save_state(workspace: Workspace, folder: Path, status: Status) -> None:
    """Write the status and tell the index of it.

    A run that enters the queue is in the index first and any other state is in the
    folder first: killed in between, a run is never waiting with nobody knowing.
    """
    row = row_from_status(cast(Mapping[str, Any], asdict(status)))
    if status.state == "queued":
        Index(workspace).put(row)
        write_status(folder, status)
    else:
        write_status(folder, status)
        Index(workspace).put(row)


class RunLock:
    """The lock of one run, held while `held` is open."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK_FILE
        self.descriptor: int | None = None

    def take(self, patience: float = 0.0) -> bool:
        """Try for `patience` seconds; False when another process keeps it."""
        self.descriptor = take_lock(self.path, patience)
        return self.descriptor is not None

    def release(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


def take_lock(path: Path, patience: float = 0.0) -> int | None:
    """An open descriptor that holds the exclusive lock of `path`; None when it is not to be had."""
    deadline = time.monotonic() + patience
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(descriptor)
                return None
            time.sleep(0.02)


def is_alive(folder: Path) -> bool:
    """Whether a process of this run holds its lock."""
    try:
        descriptor = os.open(folder / LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that viewers that look at the same moment do not see one another.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def this_process() -> dict[str, Any]:
    """What `status.json` says of the process that writes it."""
    pid = os.getpid()
    return {"pid": pid, "process_start": process_start(pid), "boot_id": boot_id(), "heartbeat": time.time()}


def boot_id() -> str | None:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None


def is_same_process(status: Status) -> bool:
    """Whether `status.pid` is still the process that wrote it, and not a later one with its number."""
    if status.pid is None or status.boot_id != boot_id():
        return False
    start = process_start(status.pid)
    return start is not None and start == status.process_start
