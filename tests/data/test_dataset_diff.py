"""Two dataset artifacts side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from core.data.diff import Change, DatasetDiff, diff_datasets
from core.models.dataset import SPLITS, Row, write_rows
from core.models.examples import Conversation, PlainText, example_id
from serve.chat import Message
from tunery.errors import NotThere


def row(text: str, source: str = "a.jsonl", line: int = 1, task: str | None = None) -> Row:
    turns = (Message("system", "Be kind."), Message("user", text), Message("assistant", "Yes."))
    example = Conversation(turns)
    return Row(example_id(example), source, line, example, task)


def dataset(folder: Path, report: dict[str, Any] | None = None, **splits: Sequence[Row]) -> Path:
    folder.mkdir()
    for name in SPLITS:
        write_rows(folder / f"{name}.jsonl", splits.get(name, ()))
    (folder / "report.json").write_text(json.dumps(report or {}))
    return folder


def compared(tmp_path: Path, a: dict[str, Sequence[Row]], b: dict[str, Sequence[Row]]) -> DatasetDiff:
    return diff_datasets(dataset(tmp_path / "a", **a), dataset(tmp_path / "b", **b), {}, {})


def test_equal_rows_in_another_order_are_the_same(tmp_path: Path) -> None:
    rows = [row("one"), row("two"), row("three")]
    found = compared(tmp_path, {"train": rows}, {"train": rows[::-1]})
    assert found.same_rows
    assert found.kept == 3
    assert found.examples == ()


def test_added_removed_and_moved_rows_are_counted_and_shown(tmp_path: Path) -> None:
    one, two, three, four = row("one"), row("two", line=2), row("three", line=3), row("four", "b.jsonl", 9)
    found = compared(
        tmp_path, {"train": [one, two], "test": [three]}, {"train": [one, three], "validation": [four]}
    )
    assert (found.added, found.removed, found.moved, found.kept) == (1, 1, 1, 2)
    shown = [(item.change, item.split, item.source, item.line, item.text) for item in found.examples]
    assert shown == [
        ("removed", "train", "a.jsonl", 2, "two"),
        ("added", "validation", "b.jsonl", 9, "four"),
        ("moved", "train", "a.jsonl", 3, "three"),
    ]
    assert found.splits == (Change("train", 2, 2), Change("validation", 0, 1), Change("test", 1, 0))
    assert found.sources == (Change("a.jsonl", 3, 2), Change("b.jsonl", 0, 1))


def test_a_row_that_is_repeated_more_often_counts_as_added(tmp_path: Path) -> None:
    found = compared(tmp_path, {"train": [row("one")]}, {"train": [row("one")] * 3})
    assert (found.added, found.removed, found.moved, found.kept) == (2, 0, 0, 1)
    assert not found.same_rows


def test_a_row_from_another_file_is_the_same_row(tmp_path: Path) -> None:
    found = compared(tmp_path, {"train": [row("one", "a.jsonl")]}, {"train": [row("one", "b.jsonl")]})
    assert found.same_rows
    assert found.sources == (Change("a.jsonl", 1, 0), Change("b.jsonl", 0, 1))


def test_only_three_of_many_are_shown(tmp_path: Path) -> None:
    found = compared(tmp_path, {}, {"train": [row(f"question {number}") for number in range(50)]})
    assert found.added == 50
    assert [item.text for item in found.examples] == ["question 0", "question 1", "question 2"]


def test_texts_and_tasks_are_compared_as_well(tmp_path: Path) -> None:
    text = PlainText("The hut opens in June.")
    plain = Row(example_id(text), "wiki.txt", 4, text, "lore")
    found = compared(tmp_path, {"train": [row("one", task="chat")]}, {"train": [plain]})
    assert found.tasks == (Change("chat", 1, 0), Change("lore", 0, 1))
    assert "The hut opens in June." in [item.text for item in found.examples]


def test_tokens_steps_and_settings_come_from_the_reports_and_the_recipes(tmp_path: Path) -> None:
    def report(trained: int, cleaned: int) -> dict[str, Any]:
        steps = [{"step": "clean", "rows_in": 9, "rows_out": cleaned, "changed": 0, "about": ""}]
        return {"tokens": {"trained": trained, "context": 5}, "steps": steps}

    found = diff_datasets(
        dataset(tmp_path / "a", report(10, 9)),
        dataset(tmp_path / "b", report(12, 7)),
        {"data.too_long": "refuse", "data.split.seed": 7},
        {"data.too_long": "drop", "data.split.seed": 7, "data.replay.run": "old"},
    )
    assert found.tokens == (Change("trained", 10, 12), Change("context", 5, 5))
    assert found.steps == (Change("clean", 9, 7),)
    assert found.settings == (
        Change("data.too_long", "refuse", "drop"),
        Change("data.replay.run", None, "old"),
    )


def test_settings_that_nobody_kept_are_unknown_and_not_equal(tmp_path: Path) -> None:
    a, b = dataset(tmp_path / "a"), dataset(tmp_path / "b")
    assert diff_datasets(a, b, {}, {"data.too_long": "drop"}).settings is None


def test_a_folder_without_a_dataset_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotThere, match="nothing holds no dataset"):
        diff_datasets(dataset(tmp_path / "a"), tmp_path / "nothing", {}, {})
