"""Turn a recipe into a run that works by itself. Loads nothing heavy; a Recipe is only handed through."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from core.jobs.earlier import with_earlier_data
from core.jobs.launch import start_worker
from core.jobs.records import RunRecord, read_record
from core.jobs.recover import reap
from core.jobs.status import Status, StepStatus, write_status
from core.pipeline.plan import PLAN_FILE, Plan, make_plan
from core.pipeline.steps import load, load_table
from core.workspace.home import Workspace
from core.workspace.index import Index, row_from_status
from tunery.errors import TuneryError
from tunery.files import need_room, whole_folder, write_json_whole

if TYPE_CHECKING:
    from core.recipe.recipe import Recipe

RECIPE_FILE = "recipe.yaml"
NAME_IN_ID = 24
RUN_BYTES = 2**20


def submit(recipe: Recipe, recipe_file: Path, workspace: Workspace, *, until: str | None = None) -> RunRecord:
    """Queue a run of `recipe` and start the process that will do it; returns at once.

    Relative paths in the recipe start at the folder of `recipe_file`. `until` is the last
    step to do, such as "train[0]", or "export" for all of them. Raises BadInput, before
    anything is written, when there is no such step or the base model is known to be
    missing.
    """
    from core.models.hardware import describe_hardware
    from core.recipe.load import dump_recipe

    folder = recipe_file.resolve().parent
    recipe = with_earlier_data(recipe, workspace)
    plan = make_plan(recipe, folder, _device(describe_hardware().device_kind), until)
    load(load_table(plan.table).check_base)(plan.base, folder, plan.template)
    need_room(workspace.root, RUN_BYTES, "a run")
    reap(workspace)
    run = _write_run(workspace, plan, dump_recipe(recipe))
    start_worker(workspace, run)
    return read_record(run)


def _write_run(workspace: Workspace, plan: Plan, recipe_text: str) -> Path:
    """The run's folder, whole, and its place in the queue."""
    now = time.time()
    status = Status(
        id=_new_id(workspace, plan.name, now),
        name=plan.name,
        state="queued",
        device=plan.device,
        submitted=now,
        queued=now,
        steps=tuple(StepStatus(stage.step) for stage in plan.stages),
    )
    run = workspace.run(status.id)
    with whole_folder(run) as partial:
        (partial / RECIPE_FILE).write_text(recipe_text, encoding="utf-8")
        write_json_whole(partial / PLAN_FILE, plan.to_json())
        write_status(partial, status)
        for empty in ("events.jsonl", "log.txt"):
            (partial / empty).touch()
    Index(workspace).put(row_from_status(asdict(status)))
    return run


def _new_id(workspace: Workspace, name: str, now: float) -> str:
    """Like 20261122-0312-airline-support-a3f: by the minute in UTC, readable, easy to type the start of."""
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M")
    readable = re.sub(r"[^a-z0-9]+", "-", name[:NAME_IN_ID].lower()).strip("-") or "run"
    for _ in range(1000):
        run_id = f"{stamp}-{readable}-{secrets.token_hex(2)[:3]}"
        if not workspace.run(run_id).exists():
            return run_id
    raise TuneryError("no free run id is left for this minute; try again in the next")


def _device(kind: str) -> str:
    """The device that a run holds: the CPU, or the first GPU."""
    return "cpu" if kind == "cpu" else f"{kind}-0"
