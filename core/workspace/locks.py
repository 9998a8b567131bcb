"""Locks between processes; the kernel frees one when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from core.workspace.home import Workspace


@contextmanager
def one_at_a_time(workspace: Workspace, name: str) -> Iterator[None]:
    """Hold the workspace's lock `name` for the block; whoever comes second waits for the first."""
    workspace.locks.mkdir(parents=True, exist_ok=True)
    with open(workspace.locks / name, "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
