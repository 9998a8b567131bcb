"""Train, be killed, train on: run by test_kill.py as a program, with a JSON document as its argument.

Every training is a fork of this process, so that imports are paid once; this process
itself computes nothing. Prints one JSON line: how many touches of the disk a
checkpoint has, and how each killed training ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft  # noqa: F401
import torch
import transformers  # noqa: F401

import core.train.trainer  # noqa: F401
from core.recipe.sections import TrainStage
from core.train.step import train
from core.workspace.events import Event
from core.workspace.home import Workspace
from core.workspace.steps import StepContext

CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate"}


def main() -> None:
    """Run the uninterrupted training, then one for every point at which to die."""
    spec = json.loads(sys.argv[1])
    root = Path(spec["root"])
    assert _fork(lambda: _train(spec, root / "whole", _count(spec["save"], root / "touches"))) == 0
    touches = int((root / "touches").read_text())
    points = spec["points"] or [{"touch": number} for number in range(1, touches + 1)]
    ends = []
    for number, point in enumerate(points):
        folder = root / f"point-{number}"
        first = _fork(lambda p=point, f=folder: _train(spec, f, _die_at(p, spec["save"])))
        second = _fork(lambda f=folder: _train(spec, f, lambda _: None))
        ends.append({"point": point, "folder": str(folder), "first": first, "second": second})
    sys.stdout.write(json.dumps({"touches": touches, "ends": ends}) + "\n")


def _train(spec: dict[str, Any], folder: Path, watch: Callable[[Event], None]) -> None:
    torch.set_num_threads(1)
    out, work, shared = folder / "out", folder / "work", folder / "shared"
    for path in (out, work, shared):
        path.mkdir(parents=True, exist_ok=True)
    inputs = {role: Path(path) for role, path in spec["inputs"].items()}
    with open(folder / "events.jsonl", "a", encoding="utf-8") as log:

        def emit(event: Event) -> None:
            log.write(json.dumps(event.to_json()) + "\n")
            log.flush()
            watch(event)

        context = StepContext("train[0]", "tiny", inputs, folder, out, work, shared, Workspace(folder), emit)
        train(TrainStage(**spec["stage"]), context)


def _die_at(point: dict[str, Any], save: str) -> Callable[[Event], None]:
    """What to do at every event so as to die at `point`; a touch of the disk is watched beside it."""
    if "touch" in point:
        seen = _watch_touches(save, lambda count: count == point["touch"] and _die())
        return lambda _: seen and None
    name = point["after"]

    def watch(event: Event) -> None:
        if getattr(event, "at", None) == point["at"] and name in getattr(event, "metrics", {}):
            _die()

    return watch


def _count(save: str, result: Path) -> Callable[[Event], None]:
    """Write down how many changes of the disk there are from the checkpoint to the next event."""
    counts: list[int] = []
    _watch_touches(save, counts.append)

    def watch(_: Event) -> None:
        if counts and not result.exists():
            result.write_text(str(len(counts)))

    return watch


def _watch_touches(save: str, act: Callable[[int], object]) -> list[str]:
    """Call `act` with 1, 2, ... before every change of the disk, once the checkpoint `save` has begun."""
    seen: list[str] = []

    def touch(name: str) -> None:
        seen.append(name)
        act(len(seen))

    def hook(name: str, arguments: tuple[Any, ...]) -> None:
        first = str(arguments[0]) if arguments else ""
        begun = seen or (name == "os.mkdir" and save in first and "checkpoints" in first)
        writes = name in CHANGES or (
            name == "open" and isinstance(arguments[1], str) and arguments[1][0] in "wax"
        )
        if begun and writes and "touches" not in first:
            touch(name)

    sys.addaudithook(hook)
    # torch writes its files beyond Python's sight.
    save_whole = torch.save

    def torch_save(*arguments: Any, **settings: Any) -> None:
        if seen:
            touch("torch.save")
        save_whole(*arguments, **settings)

    torch.save = torch_save
    return seen


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _fork(body: Callable[[], None]) -> int:
    """The exit code of `body` in a process of its own; negative for a signal."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            body()
            code = 0
        except BaseException as error:
            sys.stderr.write(f"{error!r}\n")
        finally:
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    main()
