"""A recipe whose steps are tiny and real, and helpers to watch runs."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.jobs.attach import follow
from core.jobs.records import RunRecord, list_runs, read_record
from core.jobs.status import is_alive, is_same_process, read_status
from core.jobs.submit import submit
from core.recipe.recipe import Recipe
from core.workspace.events import read_events
from core.workspace.home import Workspace

TABLES = Path(__file__).parent / "tables"
PATIENCE = 60.0


@dataclass
class Bench:
    """A folder with a recipe, and the workspace in which it runs."""

    folder: Path
    workspace: Workspace

    def recipe(self, **changes: Any) -> Recipe:
        return Recipe.model_validate(
            {
                "name": "tiny",
                "model": {"base": "base"},
                "data": {"sources": [{"path": "rows.jsonl"}]},
                "train": [{"epochs": 1}],
                "export": [{"quant": "f16"}, {"quant": "q8_0"}],
                **changes,
            }
        )

    def submit(self, until: str | None = None, **changes: Any) -> RunRecord:
        return submit(self.recipe(**changes), self.folder / "recipe.yaml", self.workspace, until=until)

    def finish(self, record: RunRecord) -> RunRecord:
        """Wait until the run has ended and its worker is gone."""
        wait_until(lambda: read_record(record.folder).over and not is_alive(record.folder))
        return read_record(record.folder)

    def run(self, until: str | None = None, **changes: Any) -> RunRecord:
        return self.finish(self.submit(until, **changes))

    def events(self, record: RunRecord, kind: str | None = None) -> list[dict[str, Any]]:
        events, _ = read_events(record.folder / "events.jsonl")
        return [event for event in events if kind is None or event["kind"] == kind]

    def until_event(self, record: RunRecord, wanted: Callable[[dict[str, Any]], bool], offset: int = 0) -> None:
        for event in follow(record, offset, poll=0.01):
            if wanted(event):
                return
        raise AssertionError(f"the run ended before: {(record.folder / 'log.txt').read_text()}")

    def weights(self, record: RunRecord, step: str = "train[0]") -> str:
        found = [item.artifact for item in record.steps if item.step == step]
        return (self.workspace.artifacts / str(found[0]) / "weights.txt").read_text()


def wait_until(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def kill_worker(record: RunRecord) -> None:
    """kill -9, and wait until nothing of the run is left."""
    pid = read_status(record.folder).pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(record.folder))


def child_of(record: RunRecord) -> int:
    """The pid of the step that is at work."""
    pid = read_status(record.folder).pid
    children: list[int] = []

    def look() -> bool:
        children[:] = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return bool(children)

    wait_until(look)
    return children[0]


@pytest.fixture
def bench(tmp_path: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.syspath_prepend(TABLES)
    monkeypatch.setenv("PYTHONPATH", str(TABLES))
    monkeypatch.setenv("TUNERY_STEP_TABLE", "tiny_table:TABLE")
    for name in [name for name in os.environ if name.startswith("TINY_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "project"
    (folder / "base").mkdir(parents=True)
    (folder / "base" / "model.json").write_text(json.dumps({"name": "base", "files": {"w": "1"}}))
    (folder / "rows.jsonl").write_text("one\ntwo\nthree\n")
    yield Bench(folder, workspace)
    for record in list_runs(workspace):
        status = read_status(record.folder)
        if status.pid and is_same_process(status):
            with suppress(ProcessLookupError):
                os.kill(status.pid, signal.SIGKILL)
