"""Steps that do real work on real files in milliseconds, for the tests of jobs and the pipeline.

"Training" is a chain of hashes over the rows, so that a resumed run that lost, repeated
or reordered anything ends with other weights. Environment variables make it slow or fail.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.pipeline.steps import StepKind, StepTable
from core.workspace.events import Metric, Progress, RunResumed, Sample
from core.workspace.home import Workspace
from core.workspace.steps import StepContext, StepResult
from tunery.errors import BadInput, BrokenIntegrity, NotThere, Stopped
from tunery.files import read_json, whole_folder, write_json_whole, write_text_whole

STEPS_OF_TRAINING = 12
SAVE_EVERY = 3

Section = Mapping[str, Any]


def check_base(base: str, recipe_folder: Path, template: str | None = None) -> None:
    if not (recipe_folder / base / "model.json").is_file():
        raise NotThere(f"there is no base model {base}; name one that is there")


def find_base(base: str, workspace: Workspace, recipe_folder: Path, template: str | None = None) -> Path:
    check_base(base, recipe_folder, template)
    return recipe_folder / base


def prepare(section: Section, ctx: StepContext) -> StepResult:
    rows = []
    for source in section["data"]["sources"]:
        text = (ctx.recipe_folder / source["path"]).read_text()
        if not text:
            raise BadInput(f"{source['path']} is empty; put conversations into it")
        rows += text.splitlines()
    if os.environ.get("TINY_PREPARE") == "change-data":
        (ctx.recipe_folder / section["data"]["sources"][0]["path"]).write_text("other\n")
    if os.environ.get("TINY_PREPARE") == "stop-later":
        (ctx.work.parent.parent / "control").mkdir()
        (ctx.work.parent.parent / "control" / "stop").touch()
    (ctx.out / "rows.txt").write_text("\n".join(rows))
    ctx.emit(Progress(what="rows", done=len(rows), of=len(rows)))
    return StepResult({"rows": float(len(rows))})


def train(section: Section, ctx: StepContext) -> StepResult:
    misbehave(os.environ.get("TINY_TRAIN", ""))
    rows = (ctx.inputs["dataset"] / "rows.txt").read_text().splitlines()
    previous = ctx.inputs.get("model")
    start = previous / "weights.txt" if previous else ctx.inputs["base"] / "model.json"
    state = {"at": 0, "weights": start.read_text()}
    if (ctx.work / "checkpoint.json").is_file():
        state = read_json(ctx.work / "checkpoint.json")
        ctx.emit(RunResumed(at=state["at"]))
    for at in range(state["at"] + 1, STEPS_OF_TRAINING + 1):
        text = f"{state['weights']} {rows[at % len(rows)]} {section['seed']}"
        state = {"at": at, "weights": hashlib.sha256(text.encode()).hexdigest()}
        ctx.emit(Metric(at=at, metrics={"loss": 1.0 / at}))
        ctx.emit(Progress(what="steps", done=at, of=STEPS_OF_TRAINING))
        hold(at, ctx)
        if listens(ctx) or ctx.checkpoint_requested() or at % SAVE_EVERY == 0:
            write_json_whole(ctx.work / "checkpoint.json", state)
        if listens(ctx):
            raise Stopped(f"stopped at step {at}")
    (ctx.out / "weights.txt").write_text(state["weights"])
    return StepResult({"loss": 1.0 / STEPS_OF_TRAINING}, {"steps": STEPS_OF_TRAINING})


def export(section: Section, ctx: StepContext) -> StepResult:
    merged = ctx.shared / "merged"
    if not merged.is_dir():
        with whole_folder(merged) as partial:
            (partial / "weights.txt").write_text((ctx.inputs["model"] / "weights.txt").read_text())
    weights = (merged / "weights.txt").read_text()
    if os.environ.get("TINY_EXPORT") == "no-parity":
        raise BrokenIntegrity("prompt 3 gives other text than the tuned model; export in a finer type")
    (ctx.out / "model.txt").write_text(f"{section['quant']} {weights}")
    return StepResult({"bytes": float(len(weights))})


def evaluate(section: Section, ctx: StepContext) -> StepResult:
    subjects = {role: sorted(path.name for path in folder.iterdir()) for role, folder in ctx.inputs.items()}
    ctx.emit(Sample(prompt="who", answer="me", subject="tuned"))
    write_json_whole(ctx.out / "report.json", {"seed": section["seed"], "subjects": sorted(subjects)})
    return StepResult({"rouge_l": 0.5})


def hold(at: int, ctx: StepContext) -> None:
    """At the step that TINY_HOLD names, as in "4:/a/file", wait until that file is there."""
    step, _, gate = os.environ.get("TINY_HOLD", "0:").partition(":")
    while at == int(step) and not Path(gate).exists() and not listens(ctx):
        if ctx.checkpoint_requested():
            write_json_whole(ctx.work / "asked.json", {"at": at})
        time.sleep(0.01)


def listens(ctx: StepContext) -> bool:
    return ctx.stop_requested() and os.environ.get("TINY_TRAIN") != "deaf"


def misbehave(how: str) -> None:
    if how == "mistake":
        raise ValueError("a shape of (3,) where\n(4,) belongs")
    if how == "bad-input":
        raise BadInput("tiny.jsonl line 3: the answer is missing; add it")
    if how == "no-memory":
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory")
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "exit":
        os._exit(7)
    if how.startswith("child:"):
        helper = subprocess.Popen(["sleep", "600"])
        write_text_whole(Path(how.removeprefix("child:")), str(helper.pid))
        helper.wait()
    if how == "full-disk":
        raise OSError(28, "No space left on device")


def room(section: Section, inputs: Mapping[str, Path], recipe_folder: Path) -> int:
    return int(os.environ.get("TINY_ROOM", "1000"))


TABLE = StepTable(
    find_base="tiny_table:find_base",
    check_base="tiny_table:check_base",
    kinds={
        "prepare": StepKind(
            "tiny_table:prepare", "dataset", 1, files="core.pipeline.needs:data_files", seed="data.split.seed"
        ),
        "train": StepKind(
            "tiny_table:train", "model", 1, libraries=("pydantic",), seed="seed", room="tiny_table:room",
            yielding=True, grace=1.0,
        ),
        "export": StepKind("tiny_table:export", "export", 1, named=True),
        "evaluate": StepKind("tiny_table:evaluate", "report", 1, seed="seed", named=True),
    },
)  # fmt: skip
