"""The real steps on a tiny model: a worker killed in the middle of training costs nothing but time."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
from pathlib import Path

import pytest

from core.jobs.attach import follow
from core.jobs.control import resume
from core.jobs.records import RunRecord, read_record
from core.jobs.status import read_status
from core.jobs.submit import submit
from core.recipe.recipe import Recipe
from core.workspace.events import read_events
from core.workspace.home import Workspace


def start(workspace: Workspace, model: Path, rows: Path) -> RunRecord:
    recipe = Recipe.model_validate(
        {
            "name": "tiny",
            "model": {"base": str(model)},
            "data": {"sources": [{"path": rows.name}], "split": {"validation": 0.1, "test": 0.1}},
            "train": [
                {"max_steps": 40, "batch_size": 4, "max_length": 256, "save_every": 4, "precision": "float32"}
            ],
        }
    )
    return submit(recipe, rows.parent / "recipe.yaml", workspace, until="train")


def curve(record: RunRecord) -> dict[int, float]:
    events, _ = read_events(record.folder / "events.jsonl")
    metrics = [event for event in events if event["kind"] == "metric" and "loss" in event["metrics"]]
    return {event["at"]: event["metrics"]["loss"] for event in metrics}


def adapter(workspace: Workspace, record: RunRecord) -> str:
    folder = workspace.artifacts / str(record.steps[-1].artifact)
    return hashlib.sha256((folder / "adapter_model.safetensors").read_bytes()).hexdigest()


def finish(record: RunRecord) -> RunRecord:
    for _ in follow(record, poll=0.05):
        pass
    return read_record(record.folder)


def test_a_worker_killed_in_training_is_resumed_to_the_very_same_adapter_and_curve(
    workspace: Workspace, tiny_model_folder: Path, tiny_rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TUNERY_STEP_TABLE", raising=False)
    undisturbed = finish(start(workspace, tiny_model_folder, tiny_rows))
    assert undisturbed.state == "done", undisturbed.error
    weights = adapter(workspace, undisturbed)
    shutil.rmtree(workspace.artifacts / "model")

    record = start(workspace, tiny_model_folder, tiny_rows)
    for event in follow(record, poll=0.001):
        if event["kind"] == "metric" and event["at"] >= 5:
            break
    os.kill(read_status(record.folder).pid or 0, signal.SIGKILL)
    assert finish(record).state == "lost"
    done = finish(resume(workspace, read_record(record.folder)))
    assert done.state == "done", done.error
    resumed = [
        event for event in read_events(record.folder / "events.jsonl")[0] if event["kind"] == "resumed"
    ]
    assert [event["step"] for event in resumed] == [None, "train[0]"]
    assert resumed[1]["at"] >= 4
    assert adapter(workspace, done) == weights
    assert curve(record) == pytest.approx(curve(undisturbed), rel=1e-6)
