"""Files and folders that are either whole or not there.

Everything is written under a temporary name in the same folder, flushed to the
disk and renamed. A reader never meets half a file, whenever the writer died.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tunery.errors import BrokenIntegrity, NoRoom

PARTIAL = ".partial-"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write; rename it to `path` when the block ends well.

    When the block raises, the temporary file is removed and `path` is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{PARTIAL}{uuid.uuid4().hex[:8]}-{path.name}")
    try:
        yield temporary
        _flush_file(temporary)
        os.replace(temporary, path)
        _flush_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill; rename it to `path` when the block ends well.

    A folder that stands at `path` already is replaced. When the block raises,
    what it wrote is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{PARTIAL}{uuid.uuid4().hex[:8]}-{path.name}")
    temporary.mkdir()
    try:
        yield temporary
        flush_tree(temporary)
        old = path.with_name(f"{PARTIAL}{uuid.uuid4().hex[:8]}-{path.name}.old")
        if path.exists():
            os.rename(path, old)
        os.rename(temporary, path)
        _flush_folder(path.parent)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text_whole(path: Path, text: str) -> None:
    """Write UTF-8 text so that `path` is the old text or the new one, never half."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json_whole(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with sorted keys, whole or not at all."""
    write_text_whole(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file that Tunery wrote.

    Raises BrokenIntegrity when it is not JSON, and FileNotFoundError when absent.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BrokenIntegrity(
            f"{path} is not valid JSON ({error}); it was changed by something else: "
            "remove the folder it lies in and run again"
        ) from None


def need_room(folder: Path, bytes_needed: int, what: str) -> None:
    """Raise NoRoom unless the disk of `folder` can hold `bytes_needed` and 64 MiB more.

    `what` names the thing in the message, such as "the GGUF file".
    """
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < bytes_needed + 64 * 2**20:
        raise NoRoom(
            f"{what} needs {human_bytes(bytes_needed)} and the disk of {folder} has "
            f"{human_bytes(free)} free; free some space or set TUNERY_HOME to another disk"
        )


def remove_partials(folder: Path) -> None:
    """Remove what killed writers left in `folder`; call it only where no writer lives."""
    for entry in folder.glob(f"{PARTIAL}*"):
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def human_bytes(count: float) -> str:
    """12345678 -> "11.8 MiB"."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def flush_tree(folder: Path) -> None:
    """fsync every file below `folder`, and the folders."""
    for root, _, names in os.walk(folder):
        for name in names:
            _flush_file(Path(root) / name)
        _flush_folder(Path(root))


def _flush_file(path: Path) -> None:
    with open(path, "rb") as handle:
        os.fsync(handle.fileno())


def _flush_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
