"""Start a worker that outlives the terminal."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from core.workspace.home import Workspace
from tunery.errors import TuneryError

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
        # Threads that wait must not spin: beside a busy neighbour that costs most of the speed.
        "GOMP_SPINCOUNT": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "ORT_DISABLE_TELEMETRY": "1",
        "PYTHONFAULTHANDLER": "1",
        "PYTHONUNBUFFERED": "1",
        # What a child's child needs as much as it does: never import from the current folder.
        "PYTHONSAFEPATH": "1",
    }
    return {**quiet, **os.environ, "TUNERY_HOME": str(workspace.root)}


def scope_prefix(run_id: str) -> list[str]:
    """`systemd-run --user --scope` where logind ends a user's processes at logout; else nothing."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    in_session = "session-" in _read(Path("/proc/self/cgroup"))
    if not in_session or not runtime or not (Path(runtime) / "systemd" / "private").exists():
        return []
    if shutil.which("systemd-run") is None or not _logind_kills_at_logout():
        return []
    return [
        "systemd-run",
        "--user",
        "--scope",
        "--quiet",
        "--collect",
        f"--unit=tunery-{run_id}-{os.getpid()}",
        "--",
    ]


def _logind_kills_at_logout() -> bool:
    ask = ["busctl", "get-property", "org.freedesktop.login1", "/org/freedesktop/login1"]
    try:
        answer = subprocess.run(
            [*ask, "org.freedesktop.login1.Manager", "KillUserProcesses"],
            capture_output=True,
            text=True,
            timeout=2,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.stdout.strip() == "b true"


def _wait_for_word(readable: int) -> None:
    """Until the worker writes a byte, or ends, or enough time has passed for a slow disk."""
    import select

    try:
        select.select([readable], [], [], READY_SECONDS)
    finally:
        os.close(readable)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
