"""kill -9 right before every single write of a run, and the run is whole again after a resume."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from core.jobs.control import resume
from core.jobs.records import RunRecord, find_run, list_runs, read_record
from core.jobs.recover import reap
from core.jobs.status import is_alive
from core.workspace.artifacts import verify_artifact
from core.workspace.index import Index

KILLER = Path(__file__).parent / "killer"
# Of the many equal events of training, the first two and the last say enough.
MANY_EQUAL = re.compile(r"child train\[0\]: (open /runs/#/events|os\.remove).* \((?!1\)|2\)|24\))\d+\)$")


def test_a_worker_killed_at_any_write_loses_nothing(benches: Callable[[], Any]) -> None:
    everywhere(benches, "worker")


def test_a_step_killed_at_any_write_loses_nothing(benches: Callable[[], Any]) -> None:
    everywhere(benches, "child")


def test_a_command_killed_while_it_submits_leaves_a_good_run_or_none(
    benches: Callable[[], Any],
) -> None:
    counted = benches()
    command(counted, "submit_tiny")
    counted.finish(find_run(counted.workspace))
    points = writes(counted, "submit_tiny")
    assert len(points) > 5
    for point in points:
        bench = benches()
        kill_at(bench, point)
        command(bench, "submit_tiny")
        assert (bench.workspace.root.parent / "killed").exists(), point
        reap(bench.workspace)
        for record in list_runs(bench.workspace):
            assert bench.finish(record).state == "done", point
        assert not list(bench.workspace.runs.glob("[!.]*/.partial-*"))


def test_a_command_killed_while_it_resumes_leaves_a_run_to_resume(
    benches: Callable[[], Any],
) -> None:
    counted = stopped_before_it_began(benches)
    command(counted, "resume_newest")
    counted.finish(find_run(counted.workspace))
    points = writes(counted, "resume_newest")
    assert len(points) > 3
    for point in points:
        bench = stopped_before_it_began(benches)
        kill_at(bench, point)
        command(bench, "resume_newest")
        assert (bench.workspace.root.parent / "killed").exists(), point
        assert until_done(bench, find_run(bench.workspace)).state == "done", point


def everywhere(benches: Callable[[], Any], role: str) -> None:
    """Count the writes of `role` in an undisturbed run, then run once for each and die there."""
    counted = benches()
    undisturbed = counted.run(until="train")
    assert undisturbed.state == "done"
    weights = counted.weights(undisturbed)
    points = [point for point in writes(counted, role) if not MANY_EQUAL.match(point)]
    assert len(points) > 20

    def die_there(point: str) -> None:
        bench = benches()
        kill_at(bench, point)
        record = bench.submit(until="train")
        end = until_done(bench, record)
        where = f"{point}: {end.error} {(record.folder / 'log.txt').read_text()}"
        assert (bench.workspace.root.parent / "killed").exists(), where
        assert end.state == "done", where
        assert bench.weights(end) == weights, where
        kept = [path.parent for path in bench.workspace.artifacts.glob("*/*/artifact.json")]
        assert [verify_artifact(folder).run for folder in kept] == [record.id] * 2, where
        assert not list(bench.workspace.artifacts.rglob(".partial-*")), where
        assert not list(record.folder.glob(".partial-*")), where
        assert [row.state for row in Index(bench.workspace).rows()] == ["done"], where
        assert bench.events(record)[-1]["kind"] in ("done", "warning"), where

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(die_there, points))


def until_done(bench: Any, record: RunRecord) -> RunRecord:
    """What a person does: look at the runs now and then, and resume what was lost or failed."""

    def looks_done() -> bool:
        reap(bench.workspace)
        now = read_record(record.folder)
        if now.over and now.state != "done" and not is_alive(record.folder):
            resume(bench.workspace, now)
        return now.state == "done" and not is_alive(record.folder)

    bench.wait_until(looks_done)
    return read_record(record.folder)


def stopped_before_it_began(benches: Callable[[], Any]) -> Any:
    bench = benches()
    (bench.folder / "base").rename(bench.folder / "elsewhere")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tiny_table.check_base", lambda *_: None)
        record = bench.submit(until="train")
    assert bench.finish(record).state == "failed"
    (bench.folder / "elsewhere").rename(bench.folder / "base")
    (bench.workspace.root.parent / "writes").unlink()
    return bench


def kill_at(bench: Any, point: str) -> None:
    (bench.workspace.root.parent / "kill-at").write_text(point)


def writes(bench: Any, role: str) -> list[str]:
    lines: Iterable[str] = (bench.workspace.root.parent / "writes").read_text().splitlines()
    return [line for line in dict.fromkeys(lines) if line.startswith(role)]


def command(bench: Any, script: str) -> None:
    subprocess.run(
        [sys.executable, "-P", str(KILLER / f"{script}.py")],
        cwd=bench.folder,
        env={**os.environ, "TUNERY_HOME": str(bench.workspace.root)},
        capture_output=True,
        check=False,
    )
