"""A recipe whose steps are tiny and real, and helpers to watch runs."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
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
from tunery.errors import TuneryError

TABLES = Path(__file__).parent / "tables"
PATIENCE = 90.0


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
                "export": [{"quant": "f16"}],
                **changes,
            }
        )

    def submit(self, until: str | None = None, **changes: Any) -> RunRecord:
        return submit(self.recipe(**changes), self.folder / "recipe.yaml", self.workspace, until=until)

    def finish(self, record: RunRecord) -> RunRecord:
        """Wait until the run has ended and its worker is gone."""
        self.wait_until(lambda: read_record(record.folder).over and not is_alive(record.folder))
        return read_record(record.folder)

    def run(self, until: str | None = None, **changes: Any) -> RunRecord:
        return self.finish(self.submit(until, **changes))

    def events(self, record: RunRecord, kind: str | None = None) -> list[dict[str, Any]]:
        events, _ = read_events(record.folder / "events.jsonl")
        return [event for event in events if kind is None or event["kind"] == kind]

    def submit_held(self, at: int, **changes: Any) -> RunRecord:
        """A run that has done so many steps of its training and waits there for `let_go`."""
        os.environ["TINY_HOLD"] = f"{at}:{self.folder / 'gate'}"
        record = self.submit("train", **changes)
        del os.environ["TINY_HOLD"]
        for event in follow(record, poll=0.01):
            if event["kind"] == "metric" and event["at"] == at:
                return read_record(record.folder)
        raise AssertionError(f"the run ended before: {(record.folder / 'log.txt').read_text()}")

    def let_go(self) -> None:
        (self.folder / "gate").touch()

    def weights(self, record: RunRecord, step: str = "train[0]") -> str:
        found = [item.artifact for item in record.steps if item.step == step]
        return (self.workspace.artifacts / str(found[0]) / "weights.txt").read_text()

    def kill_worker(self, record: RunRecord) -> None:
        """kill -9, and wait until nothing of the run is left."""
        pid = read_status(record.folder).pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        self.wait_until(lambda: not is_alive(record.folder))

    def child_of(self, record: RunRecord) -> int:
        """The pid of the step that is at work."""
        pid = read_status(record.folder).pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        self.wait_until(lambda: children.read_text().split())
        return int(children.read_text().split()[0])

    def wait_until(self, true: Callable[[], Any]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < deadline, "waited too long"
            time.sleep(0.02)

    def kill_what_is_left(self) -> None:
        for record in list_runs(self.workspace):
            with suppress(OSError, TuneryError):
                status = read_status(record.folder)
                if status.pid and is_same_process(status):
                    os.kill(status.pid, signal.SIGKILL)


def make_bench(folder: Path, workspace: Workspace) -> Bench:
    (folder / "base").mkdir(parents=True)
    (folder / "base" / "model.json").write_text(json.dumps({"name": "base", "files": {"w": "1"}}))
    (folder / "rows.jsonl").write_text("one\ntwo\nthree\n")
    return Bench(folder, workspace)


@pytest.fixture
def bench(tmp_path: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    use_tiny_steps(monkeypatch)
    bench = make_bench(tmp_path / "project", workspace)
    yield bench
    bench.kill_what_is_left()


def use_tiny_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(TABLES)
    monkeypatch.setenv("PYTHONPATH", str(TABLES))
    monkeypatch.setenv("TUNERY_STEP_TABLE", "tiny_table:TABLE")
    for name in [name for name in os.environ if name.startswith("TINY_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def benches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Bench]]:
    """Any number of benches, each with a workspace of its own, whose processes count and obey `kill-at`."""
    use_tiny_steps(monkeypatch)
    killer = Path(__file__).parent / "killer"
    monkeypatch.setenv("PYTHONPATH", f"{TABLES}:{killer}")
    made: list[Bench] = []
    numbers = count()

    def make() -> Bench:
        folder = tmp_path / f"place-{next(numbers)}"
        made.append(make_bench(folder / "project", Workspace(folder / "home")))
        return made[-1]

    yield make
    for bench in made:
        bench.kill_what_is_left()
