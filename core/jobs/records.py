"""What runs there are and how they are, for people and faces. Reads only, and loads nothing heavy."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from core.jobs.recover import LOST
from core.jobs.states import ACTIVE, ENDED, State
from core.jobs.status import StepStatus, is_alive, read_status
from core.workspace.home import Workspace
from core.workspace.index import Index, IndexRow
from tunery.errors import BadInput, BrokenIntegrity, NotThere

TAIL_BYTES = 32 * 1024


@dataclass(frozen=True)
class RunRecord:
    """One run, as it was when this was read.

    `step` is at work, or is where the run ended; `progress` is the share of that step
    that is done, 1.0 for a run that is done. Times are ISO 8601 in UTC. `exit_code` is
    what the run's end stands for, None before it.
    """

    id: str
    name: str
    state: State
    step: str | None
    progress: float | None
    started: str | None
    ended: str | None
    error: str | None
    error_class: str | None
    exit_code: int | None
    folder: Path
    steps: tuple[StepStatus, ...]

    @property
    def over(self) -> bool:
        """Nothing happens any more unless somebody resumes it."""
        return self.state in ENDED


def list_runs(workspace: Workspace) -> list[RunRecord]:
    """All runs, the newest first."""
    if not workspace.runs.is_dir():
        return []
    return [_record(workspace, row) for row in Index(workspace).rows()]


def find_run(workspace: Workspace, ref: str | None = None) -> RunRecord:
    """The run with this id, recipe name (its newest run) or unique prefix of an id; None is the newest.

    Raises NotThere when nothing fits and BadInput when a prefix fits several.
    """
    rows = Index(workspace).rows() if workspace.runs.is_dir() else []
    if not rows:
        raise NotThere("there are no runs here yet; `tunery run` starts one")
    if ref is None:
        return _record(workspace, rows[0])
    fitting = [row for row in rows if row.id == ref]
    fitting = fitting or [row for row in rows if row.name == ref][:1]
    fitting = fitting or [row for row in rows if ref and row.id.startswith(ref)]
    if not fitting:
        raise NotThere(f"there is no run {ref!r}; `tunery runs` lists them")
    if len(fitting) > 1:
        raise BadInput(f"{ref} could be {', '.join(row.id for row in fitting[:5])}; say which")
    return _record(workspace, fitting[0])


def read_record(folder: Path) -> RunRecord:
    """One run by its folder. Raises BrokenIntegrity when its status cannot be read."""
    status = read_status(folder)
    lost = status.state in ACTIVE and not is_alive(folder)
    if lost:
        # Between the two looks it may have ended as it should.
        status = read_status(folder)
        lost = status.state in ACTIVE
    return RunRecord(
        id=status.id,
        name=status.name,
        state="lost" if lost else status.state,
        step=status.step,
        progress=1.0 if status.state == "done" else _progress(folder, status.step),
        started=_iso(status.started),
        ended=_iso(status.heartbeat if lost else status.ended),
        error=LOST.format(id=status.id) if lost else status.error,
        error_class="Lost" if lost else status.error_class,
        exit_code=1 if lost else status.exit_code,
        folder=folder,
        steps=status.steps,
    )


def _record(workspace: Workspace, row: IndexRow) -> RunRecord:
    folder = workspace.run(row.id)
    try:
        return read_record(folder)
    except BrokenIntegrity as error:
        # One damaged folder must not hide the other runs.
        return RunRecord(
            row.id, row.name, "failed", None, None, None, None, str(error), "BrokenIntegrity", 4, folder, ()
        )


def _progress(folder: Path, step: str | None) -> float | None:
    """The share of `step` that its newest progress event tells of, looked for in the last of the events."""
    if step is None:
        return None
    try:
        with open(folder / "events.jsonl", "rb") as handle:
            size = handle.seek(0, os.SEEK_END)
            handle.seek(max(0, size - TAIL_BYTES))
            lines = handle.read().splitlines()
    except FileNotFoundError:
        return None
    for line in reversed(lines):
        if b'"progress"' not in line and b'"step_started"' not in line:
            continue
        try:
            event = json.loads(line)
        except ValueError:
            continue  # The first line of the piece, or one that is being written.
        if event.get("step") != step:
            continue
        if event.get("kind") == "step_started":
            return 0.0
        if event.get("kind") == "progress" and event.get("of"):
            return min(1.0, max(0.0, float(event["done"]) / float(event["of"])))
    return None


def _iso(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
