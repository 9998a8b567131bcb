"""Python, hardware, memory and disk."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from core.doctor.finding import Finding
from core.workspace.home import Workspace
from tunery.files import human_bytes

GIB = 2**30


def look_at_machine(workspace: Workspace) -> Iterator[Finding]:
    yield _python()
    yield _memory()
    yield _hardware()
    yield from _workspace(workspace)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Finding("python", "ok", f"Python {version}")
    return Finding(
        "python", "error", f"Python {version} is not supported", "make .venv with Python 3.11, 3.12 or 3.13"
    )


def _memory() -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    text = f"{human_bytes(total)} of memory, {human_bytes(_available() or free)} available"
    if total < 4 * GIB:
        return Finding("memory", "warning", text, "tuning the smallest starter takes about 4 GiB; add swap")
    return Finding("memory", "ok", text)


def _available() -> int | None:
    """What the kernel thinks can be used without swapping; None where it does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    line = next((line for line in lines if line.startswith("MemAvailable:")), None)
    return int(line.split()[1]) * 1024 if line else None


def _hardware() -> Finding:
    from core.models.hardware import describe_hardware

    seen = describe_hardware()
    fast = "fast" if seen.fast_bfloat16 else "slow"
    text = f"{seen.device_name}, {seen.cores} cores, {seen.device_kind}, bfloat16 is {fast}"
    if seen.cores < 2:
        return Finding("hardware", "warning", text, "with one core a server and a training run share it")
    return Finding("hardware", "ok", text)


def _workspace(workspace: Workspace) -> Iterator[Finding]:
    root = workspace.root
    standing = next(path for path in (root, *root.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=standing):
            pass
    except OSError as error:
        yield Finding(
            "workspace",
            "error",
            f"{root} cannot be written: {error.strerror}",
            "set TUNERY_HOME to a folder of yours",
        )
        return
    yield Finding("workspace", "ok", f"the workspace {root} can be written")
    free = shutil.disk_usage(standing).free
    text = f"{human_bytes(free)} free on the workspace's disk"
    if free < GIB:
        yield Finding("disk", "error", text, "free some space, or set TUNERY_HOME to another disk")
    elif free < 5 * GIB:
        yield Finding("disk", "warning", text, "a run of the smallest starter writes about 2 GiB")
    else:
        yield Finding("disk", "ok", text)
