from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.recipe.sections import TrainStage
from core.train.checkpoints import Checkpoints, Position
from core.train.schedule import plan_schedule, rate_factor


def fill(folder: Path) -> None:
    (folder / "weights").write_bytes(b"w" * 1000)
    (folder / "optimizer").write_bytes(b"o" * 1000)


def ignore(_: str) -> None:
    """For tests that expect no warning to matter."""


def make(work: Path, *steps: int, keep_last: int = 2, key: str = "k") -> Checkpoints:
    checkpoints = Checkpoints(work, key, keep_last)
    for step in steps:
        checkpoints.write(Position(step=step), fill)
    return checkpoints


def test_only_the_last_few_are_kept(tmp_path: Path) -> None:
    make(tmp_path, 10, 20, 30, 40, keep_last=3)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [
        "step-00000020",
        "step-00000030",
        "step-00000040",
    ]


def test_the_newest_is_gone_on_from(tmp_path: Path) -> None:
    found = make(tmp_path, 10, 20).find_last(ignore)
    assert found is not None
    assert found.position.step == 20


@pytest.mark.parametrize("damage", ["cut", "gone", "changed", "record"])
def test_a_damaged_checkpoint_is_passed_over_for_an_older_one(tmp_path: Path, damage: str) -> None:
    checkpoints = make(tmp_path, 10, 20)
    folder = tmp_path / "checkpoints" / "step-00000020"
    match damage:
        case "cut":
            os.truncate(folder / "optimizer", 10)
        case "gone":
            (folder / "weights").unlink()
        case "changed":
            (folder / "weights").write_bytes(b"x" * 1000)
        case "record":
            (folder / "checkpoint.json").write_text('{"key": ')
    warnings: list[str] = []
    found = checkpoints.find_last(warnings.append)
    assert found is not None
    assert found.position.step == 10
    assert "step-00000020" in warnings[0]


def test_another_trainings_checkpoints_are_not_gone_on_from(tmp_path: Path) -> None:
    make(tmp_path, 10, key="old")
    assert Checkpoints(tmp_path, "new", 2).find_last(ignore) is None


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    checkpoints = make(tmp_path, 10)
    (tmp_path / "checkpoints" / ".partial-0-step-00000020").mkdir()
    assert checkpoints.find_last(ignore)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000010"]


def test_best_adapters_stay_as_long_as_a_checkpoint_names_them(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "k", 2)
    for step in (1, 2, 3, 4):
        with checkpoints.writing_best(step) as folder:
            fill(folder)
        checkpoints.write(Position(step=step, best_step=step, best_loss=1.0), fill)
    assert sorted(path.name for path in (tmp_path / "best").iterdir()) == ["step-00000003", "step-00000004"]


def test_a_checkpoint_whose_best_adapter_is_gone_is_passed_over(tmp_path: Path) -> None:
    checkpoints = make(tmp_path, 1)
    checkpoints.write(Position(step=2, best_step=2, best_loss=1.0), fill)
    found = checkpoints.find_last(ignore)
    assert found is not None
    assert found.position.step == 1


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_the_learning_rate_rises_then_falls_and_is_never_zero(schedule: str) -> None:
    stage = TrainStage(schedule=schedule, warmup=0.2)  # type: ignore[arg-type]
    rates = [rate_factor(step, stage=stage, steps=50) for step in range(50)]
    assert rates[:10] == sorted(rates[:10])
    assert max(rates) == 1.0
    assert min(rates) > 0
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_steps_are_whole_batches_of_all_epochs_up_to_the_limit() -> None:
    assert plan_schedule(TrainStage(epochs=3, batch_size=8), 33).steps == 15
    assert plan_schedule(TrainStage(epochs=0.5, batch_size=8), 33).steps == 3
    assert plan_schedule(TrainStage(epochs=3, max_steps=4), 33).steps == 4


def test_validation_and_checkpoints_come_ten_times_a_run_and_at_the_end() -> None:
    plan = plan_schedule(TrainStage(epochs=25, batch_size=8), 8)
    assert [step for step in range(1, 26) if plan.evaluates(step)] == [3, 6, 9, 12, 15, 18, 21, 24, 25]
