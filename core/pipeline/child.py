"""The process that does one step: `python -P -m core.pipeline.child RUN_DIR STEP`.

Everything heavy is loaded here and gone with it. It dies with its worker, and holds
the worker's locks until then. What goes wrong is left as a small file.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from core.pipeline.keep import partial_folder
from core.pipeline.make import make_artifact
from core.pipeline.plan import Plan, read_plan
from core.pipeline.steps import StepTable, load, load_table
from core.pipeline.task import Base, Task, base_of, read_task
from core.pipeline.trouble import trouble_of, write_trouble
from core.workspace.events import EventLog
from core.workspace.home import Workspace
from core.workspace.steps import StepContext
from tunery.errors import TuneryError
from tunery.files import read_json, write_json_whole

# Not a step of the recipe: finding the base model, which may mean to unpack or download it.
BASE = "base"
WORK = "work"
CONTROL = "control"
_PR_SET_PDEATHSIG = 1


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="core.pipeline.child")
    parser.add_argument("run", type=Path)
    parser.add_argument("step")
    parser.add_argument("--parent", type=int, help="pid of the worker")
    parser.add_argument("--hold", type=int, nargs="*", default=[], help="descriptors of its locks")
    chosen = parser.parse_args(arguments)
    for descriptor in chosen.hold:
        os.set_inheritable(descriptor, False)
    if chosen.parent is not None:
        die_with(chosen.parent)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # Only remembered: a handler that raised could tear a checkpoint.
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
    run: Path = chosen.run.resolve()
    try:
        plan = read_plan(run)
        table = load_table(plan.table)
        if chosen.step == BASE:
            find_base(run, plan, table)
        else:
            do_step(run, plan, table, chosen.step, asked.is_set)
    except Exception as error:  # the border of the process: whatever it is becomes a sentence and a code
        trouble = trouble_of(error, chosen.step)
        write_trouble(run, chosen.step, trouble)
        return trouble.exit_code
    return 0


def do_step(run: Path, plan: Plan, table: StepTable, step: str, asked: Callable[[], bool]) -> None:
    """Do `step` and put its artifact in its place."""
    stage = plan.stage(step)
    kind = table.kinds[stage.kind]
    task = read_task(run, step)
    if task is None:
        raise TuneryError(f"{run} has no task for {step}; resume the run")
    artifact = Path(task.artifact)
    out = partial_folder(artifact, run.name, step)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    try:
        context = _context(run, plan, task, out, asked)
        make_artifact(plan, stage, kind, task, context, run=run.name)
    finally:
        shutil.rmtree(out, ignore_errors=True)


def find_base(run: Path, plan: Plan, table: StepTable) -> None:
    """Find the base model and leave in the run's folder where it is and what it holds."""
    workspace = Workspace(run.parent.parent)
    folder = load(table.find_base)(plan.base, workspace, Path(plan.recipe_folder), plan.template)
    write_json_whole(base_file(run), asdict(base_of(folder)))


def base_file(run: Path) -> Path:
    return run / "tasks" / "base.json"


def read_base(run: Path) -> Base:
    return Base(**read_json(base_file(run)))


def die_with(parent: int) -> None:
    """Have the kernel kill this process when the thread that started it is gone."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # It may have died before the kernel was told.
    if os.getppid() != parent:
        os._exit(1)


def _context(run: Path, plan: Plan, task: Task, out: Path, asked: Callable[[], bool]) -> StepContext:
    control = run / CONTROL
    work = run / WORK / task.step
    shared = run / WORK / "shared"
    # What was derived from one model is never taken for another's.
    if "model" in task.hashes:
        shared /= task.hashes["model"][:16]
    for folder in (work, shared):
        folder.mkdir(parents=True, exist_ok=True)

    def checkpoint_requested() -> bool:
        try:
            (control / "checkpoint").unlink()
        except FileNotFoundError:
            return False
        return True

    return StepContext(
        step=task.step,
        name=plan.name,
        inputs={role: Path(folder) for role, folder in task.inputs.items()},
        recipe_folder=Path(plan.recipe_folder),
        out=out,
        work=work,
        shared=shared,
        workspace=Workspace(run.parent.parent),
        emit=EventLog(run / "events.jsonl").for_step(task.step),
        stop_requested=lambda: asked() or (control / "stop").exists(),
        checkpoint_requested=checkpoint_requested,
    )


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # The artifact is in its place: libraries that crash while Python tears down change nothing.
    os._exit(code)
