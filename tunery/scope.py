"""Processes that must outlive the session they are started from."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


def scope_prefix(name: str) -> list[str]:
    """What stands before a command: `systemd-run --scope` where logind would end it at logout."""
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
        f"--unit=tunery-{name}-{os.getpid()}",
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


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
