"""What was deleted or found damaged: kept for seven days, then gone."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from core.workspace.home import Workspace

KEEP_SECONDS = 7 * 24 * 3600


def to_trash(workspace: Workspace, path: Path) -> Path:
    """Move a file or folder of the workspace to the trash; return where it lies."""
    workspace.trash.mkdir(parents=True, exist_ok=True)
    target = workspace.trash / f"{path.name}-{time.time_ns()}"
    os.rename(path, target)
    os.utime(target)
    return target


def empty_trash(workspace: Workspace) -> None:
    """Remove for good what has lain in the trash for seven days."""
    if not workspace.trash.is_dir():
        return
    oldest = time.time() - KEEP_SECONDS
    for entry in workspace.trash.iterdir():
        if entry.lstat().st_mtime >= oldest:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
