"""Whatever ends a step, the run ends in one sentence with the right exit code, and can be resumed."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from core.jobs.control import resume
from core.jobs.records import find_run, list_runs


@pytest.mark.parametrize(
    ("how", "error_class", "exit_code", "sentence"),
    [
        ("bad-input", "BadInput", 2, "tiny.jsonl line 3: the answer is missing; add it"),
        ("no-memory", "OutOfMemory", 1, "train[0] ran out of memory; lower"),
        ("killed", "OutOfMemory", 1, "train[0] was killed by the system, most likely because memory ran out"),
        ("crash", "Crashed", 1, "train[0] crashed (SIGSEGV); log.txt"),
        ("exit", "Crashed", 1, "train[0] ended with code 7 and left nothing; log.txt"),
        ("full-disk", "NoRoom", 2, "the disk was full during train[0]; free some space"),
        ("mistake", "ValueError", 1, "train[0] failed unexpectedly (ValueError: a shape of (3,) where (4,) "),
    ],
)  # fmt: skip
def test_a_step_that_ends_badly_is_told_in_one_sentence(
    bench: Any, monkeypatch: pytest.MonkeyPatch, how: str, error_class: str, exit_code: int, sentence: str
) -> None:
    monkeypatch.setenv("TINY_TRAIN", how)
    record = bench.run()
    assert (record.state, record.step) == ("failed", "train[0]")
    assert (record.error_class, record.exit_code) == (error_class, exit_code)
    assert record.error.startswith(sentence)
    assert "\n" not in record.error
    assert [item.state for item in record.steps] == ["done", "failed", "waiting", "waiting"]
    last = bench.events(record)[-1]
    assert (last["kind"], last["step"], last["error"]) == ("failed", "train[0]", record.error)
    assert (last["error_class"], last["exit_code"]) == (error_class, exit_code)
    assert not list(bench.workspace.artifacts.rglob(".partial-*"))
    monkeypatch.delenv("TINY_TRAIN")
    assert bench.finish(resume(bench.workspace, record)).state == "done"
    assert find_run(bench.workspace).error is None


def test_a_traceback_goes_to_the_log_and_nowhere_else(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINY_TRAIN", "mistake")
    record = bench.run()
    assert "Traceback" in (record.folder / "log.txt").read_text()
    assert "Traceback" not in (record.folder / "events.jsonl").read_text()
    monkeypatch.setenv("TINY_TRAIN", "bad-input")
    other = bench.run()
    assert "Traceback" not in (other.folder / "log.txt").read_text()


def test_a_failed_parity_check_exits_4(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINY_EXPORT", "no-parity")
    record = bench.run()
    assert (record.state, record.step, record.exit_code) == ("failed", "export[0]", 4)


def test_a_step_without_room_on_the_disk_does_not_begin(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINY_ROOM", str(10**18))
    record = bench.run()
    assert (record.state, record.step, record.exit_code) == ("failed", "train[0]", 2)
    assert record.error.startswith("train[0] needs 909494.7 TiB and the disk of")
    assert [event["step"] for event in bench.events(record, "step_started")] == ["prepare"]


def test_a_base_model_that_vanishes_after_the_submission_is_told_as_such(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tiny_table.check_base", lambda *_: None)
    shutil.rmtree(bench.folder / "base")
    record = bench.run()
    assert (record.state, record.step, record.exit_code) == ("failed", "prepare", 2)
    assert record.error == "there is no base model base; name one that is there"


def test_data_that_vanished_is_named(bench: Any) -> None:
    (bench.folder / "rows.jsonl").unlink()
    record = bench.run()
    assert (record.state, record.exit_code) == ("failed", 2)
    assert "rows.jsonl cannot be read (No such file or directory); put it back" in record.error


def test_data_that_changes_while_it_is_read_is_noticed(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINY_PREPARE", "change-data")
    record = bench.run()
    assert record.error == "the data of prepare changed while it was read; resume the run"
    monkeypatch.delenv("TINY_PREPARE")
    assert bench.finish(resume(bench.workspace, record)).state == "done"


def test_a_run_folder_cannot_choose_what_code_runs(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    record = bench.run(until="prepare", name="good")
    plan = record.folder / "plan.json"
    plan.write_text(plan.read_text().replace("tiny_table:TABLE", "antigravity:TABLE"))
    status = record.folder / "status.json"
    status.write_text(status.read_text().replace('"done"', '"failed"'))
    again = bench.finish(resume(bench.workspace, find_run(bench.workspace)))
    assert (again.state, again.exit_code) == ("failed", 2)
    assert again.error == (
        "this run was planned with the steps of 'antigravity:TABLE', which are not Tunery's; "
        "submit the recipe again"
    )


def test_one_damaged_run_does_not_hide_the_others(bench: Any) -> None:
    good, bad = bench.run(until="prepare", name="good"), bench.run(until="prepare", name="bad")
    (bad.folder / "status.json").write_text("{")
    assert [(record.id, record.state) for record in list_runs(bench.workspace)] == [
        (bad.id, "failed"),
        (good.id, "done"),
    ]
    assert find_run(bench.workspace, "bad").exit_code == 4
    assert bench.run(until="prepare", name="third").state == "done"


def test_a_step_that_is_killed_takes_its_own_children_with_it(
    bench: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TINY_TRAIN", f"child:{tmp_path / 'pid'}")
    record = bench.submit(until="train")
    bench.wait_until(lambda: (tmp_path / "pid").is_file())
    os.kill(bench.child_of(record), signal.SIGKILL)
    assert bench.finish(record).error_class == "OutOfMemory"
    left = int((tmp_path / "pid").read_text())
    bench.wait_until(lambda: not Path(f"/proc/{left}").exists() or "\nState:\tZ" in _status(left))


def _status(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return "\nState:\tZ"
