"""Start a worker that outlives the terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from core.workspace.home import Workspace
from tunery.errors import TuneryError
from tunery.scope import scope_prefix

LOG_FILE = "log.txt"
READY_SECONDS = 20.0

# Kept so that a worker that ended while this process lives is not left a zombie for good.
_started: list[subprocess.Popen[bytes]] = []


def start_worker(workspace: Workspace, folder: Path) -> None:
    """Start the worker of the run in `folder` and wait until it holds the run's lock.

    A second worker of the same run finds the lock taken and ends: to start one too many
    does no harm. Raises TuneryError when the process cannot be started.
    """
    _started[:] = [worker for worker in _started if worker.poll() is None]
    command = [sys.executable, "-P", "-m", "core.jobs.worker", str(folder)]
    readable, writable = os.pipe()
    try:
        with open(folder / LOG_FILE, "ab") as log:
            worker = subprocess.Popen(
                [*scope_prefix(folder.name), *command, "--ready", str(writable)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(writable,),
                cwd=folder,
                env=worker_environment(workspace),
            )
    except OSError as error:
        os.close(readable)
        raise TuneryError(f"the worker of {folder.name} could not be started: {error}") from None
    finally:
        os.close(writable)
    _started.append(worker)
    _wait_for_word(readable)


def worker_environment(workspace: Workspace) -> dict[str, str]:
    """This process's environment, for a child whose current folder is another."""
    quiet = {
        # Threads wait some microseconds awake and then sleep: spinning on, as is usual, costs most of the
        # speed beside a busy neighbour, and sleeping at once a sixth of it alone.
        "GOMP_SPINCOUNT": "2000",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "ORT_DISABLE_TELEMETRY": "1",
        "PYTHONFAULTHANDLER": "1",
        "PYTHONUNBUFFERED": "1",
        # What a child's child needs as much as it does: never import from the current folder.
        "PYTHONSAFEPATH": "1",
    }
    return {**quiet, **os.environ, "TUNERY_HOME": str(workspace.root)}


def _wait_for_word(readable: int) -> None:
    """Until the worker writes a byte, or ends, or enough time has passed for a slow disk."""
    import select

    try:
        select.select([readable], [], [], READY_SECONDS)
    finally:
        os.close(readable)
