"""How a step's failure travels from the child to the worker: a small JSON file."""

from __future__ import annotations

import errno
import sys
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path

from core.pipeline.task import TASKS
from tunery.errors import NoRoom, TuneryError
from tunery.files import read_json, write_json_whole

OUT_OF_MEMORY = "OutOfMemory"


@dataclass(frozen=True)
class Trouble:
    """What went wrong: the error's class, one sentence, and the exit code that it stands for."""

    error_class: str
    error: str
    exit_code: int


def trouble_of(error: BaseException, step: str) -> Trouble:
    """An exception as people read it. The traceback of an unknown one goes to stderr, which is log.txt."""
    if isinstance(error, TuneryError):
        return Trouble(type(error).__name__, str(error), error.exit_code)
    traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        sentence = f"the disk was full during {step}; free some space, then resume the run"
        return Trouble(NoRoom.__name__, sentence, NoRoom.exit_code)
    if _is_out_of_memory(error):
        sentence = (
            f"{step} ran out of memory; lower train.batch_size or train.max_length, "
            "or close other programs, then resume the run"
        )
        return Trouble(OUT_OF_MEMORY, sentence, 1)
    what = " ".join(str(error).split())[:300]
    named = f"{type(error).__name__}: {what}" if what else type(error).__name__
    return Trouble(
        type(error).__name__, f"{step} failed unexpectedly ({named}); log.txt of the run has the details", 1
    )


def write_trouble(run_folder: Path, step: str, trouble: Trouble) -> None:
    write_json_whole(_file(run_folder, step), asdict(trouble))


def take_trouble(run_folder: Path, step: str) -> Trouble | None:
    """What the child of `step` left, which is then forgotten."""
    path = _file(run_folder, step)
    try:
        trouble = Trouble(**read_json(path))
    except FileNotFoundError:
        return None
    path.unlink()
    return trouble


def _is_out_of_memory(error: BaseException) -> bool:
    """Python's own, and torch's two: of the GPU by its class's name, of the CPU only by its words."""
    words = str(error)
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (
            isinstance(error, RuntimeError) and ("can't allocate memory" in words or "out of memory" in words)
        )
    )


def _file(run_folder: Path, step: str) -> Path:
    return run_folder / TASKS / f"{step}.error.json"
