"""A training that is killed goes on as if nothing had happened."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from core.models.dataset import write_tokens

ROOT = Path(__file__).resolve().parents[2]
# Dropout, so that the random states matter; two epochs, so that the order does.
STAGE = {
    "epochs": 2,
    "max_steps": 5,
    "batch_size": 8,
    "learning_rate": 5e-3,
    "lora": {"rank": 4, "dropout": 0.1},
    "evaluate_every": 1,
    "save_every": 2,
    "keep_last": 1,
    "precision": "float32",
}


@pytest.fixture(scope="module")
def few_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three steps an epoch, and short rows: there are many trainings to do."""
    folder = tmp_path_factory.mktemp("few-rows")
    random = np.random.default_rng(5)
    for name, rows in (("train", 24), ("validation", 2)):
        lengths = random.integers(4, 9, rows)
        total = int(lengths.sum())
        ids, trained = random.integers(1000, 1100, total), np.ones(total, dtype=np.bool_)
        write_tokens(folder, name, ids, trained, np.cumsum([0, *lengths]))
    return folder


def run(root: Path, base: Path, dataset: Path, points: list[dict[str, Any]], **stage: Any) -> dict[str, Any]:
    spec = {
        "root": str(root),
        "inputs": {"base": str(base), "dataset": str(dataset)},
        "stage": {**STAGE, **stage},
        "save": "step-00000004",
        "points": points,
    }
    command = [sys.executable, "-P", str(Path(__file__).with_name("kill_child.py")), json.dumps(spec)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def curve(folder: Path) -> list[dict[str, float]]:
    changing = {"tokens_per_second", "memory_bytes"}
    lines = [json.loads(line) for line in (folder / "out" / "curves.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in changing} for line in lines]


def assert_as_uninterrupted(folder: Path, whole: Path) -> None:
    wanted = load_file(whole / "out" / "adapter_model.safetensors")
    got = load_file(folder / "out" / "adapter_model.safetensors")
    assert got.keys() == wanted.keys()
    for name, weight in wanted.items():
        torch.testing.assert_close(got[name], weight, rtol=1e-5, atol=1e-6)
    ours, theirs = curve(folder), curve(whole)
    assert [line.keys() for line in ours] == [line.keys() for line in theirs]
    for line, other in zip(ours, theirs, strict=True):
        assert line == pytest.approx(other, rel=1e-4)


def test_killed_between_steps_it_ends_with_the_same_adapter_and_the_same_curve(
    tmp_path: Path, tiny_model_folder: Path, few_rows: Path
) -> None:
    points = [
        {"after": "loss", "at": 1},
        {"after": "loss", "at": 3},
        {"after": "validation_loss", "at": 4},
        {"after": "loss", "at": 5},
    ]
    result = run(tmp_path, tiny_model_folder, few_rows, points)
    for end in result["ends"]:
        assert (end["first"], end["second"]) == (-9, 0), end
        assert_as_uninterrupted(Path(end["folder"]), tmp_path / "whole")


def test_killed_while_packing_it_ends_with_the_same_adapter_and_the_same_curve(
    tmp_path: Path, tiny_model_folder: Path, few_rows: Path
) -> None:
    points = [{"after": "loss", "at": 3}, {"after": "validation_loss", "at": 4}]
    # Eight rows of up to 8 tokens, 16 in a sequence: each step has several.
    result = run(tmp_path, tiny_model_folder, few_rows, points, packing=True, max_length=16)
    for end in result["ends"]:
        assert (end["first"], end["second"]) == (-9, 0), end
        assert_as_uninterrupted(Path(end["folder"]), tmp_path / "whole")


def test_killed_at_any_touch_of_the_disk_inside_a_save_it_goes_on_from_a_whole_checkpoint(
    tmp_path: Path, tiny_model_folder: Path, few_rows: Path
) -> None:
    result = run(tmp_path, tiny_model_folder, few_rows, [])
    assert result["touches"] > 15
    for end in result["ends"]:
        folder = Path(end["folder"])
        assert (end["first"], end["second"]) == (-9, 0), end
        events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
        assert [event["at"] for event in events if event["kind"] == "resumed"] in ([2], [4]), end
        assert not [event for event in events if event["kind"] == "warning"], end
        assert not list((folder / "work").rglob(".partial-*"))
        assert_as_uninterrupted(folder, tmp_path / "whole")
