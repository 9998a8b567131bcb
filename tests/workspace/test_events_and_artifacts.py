"""Viewers read events from a byte offset; artifacts describe and prove themselves."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.workspace.artifacts import Artifact, read_artifact, verify_artifact, write_artifact
from core.workspace.events import EventLog, Log, Metric, Progress, read_events
from tunery.errors import BrokenIntegrity, NotThere


def test_a_viewer_goes_on_from_its_offset_and_never_sees_half_a_line(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    log.append(Log(step="prepare", text="one"))
    with open(path, "ab") as handle:
        handle.write(b'{"time": 1, "kind": "log", "te')
    first, offset = read_events(path)
    assert [event["text"] for event in first] == ["one"]
    with open(path, "ab") as handle:
        handle.write(b'xt": "two", "step": null}\n')
    second, end = read_events(path, offset)
    assert [event["text"] for event in second] == ["two"]
    assert read_events(path, end) == ([], end)


def test_a_torn_line_of_a_killed_writer_hides_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"kind": "lo\n')
    EventLog(path).append(Log(text="after"))
    assert [event["text"] for event in read_events(path)[0]] == ["after"]


def test_two_writers_never_mix_their_lines(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")

    def write(name: str) -> None:
        emit = log.for_step(name)
        for done in range(200):
            emit(Progress(what="rows " + name * 50, done=done, of=200))

    threads = [threading.Thread(target=write, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events, _ = read_events(log.path)
    assert len(events) == 600
    assert {event["step"] for event in events} == {"a", "b", "c"}


@settings(deadline=None)
@given(text=st.text(), number=st.floats())
def test_any_text_and_number_survives_the_log(
    tmp_path_factory: pytest.TempPathFactory, text: str, number: float
) -> None:
    log = EventLog(tmp_path_factory.mktemp("log") / "events.jsonl")
    log.append(Log(text=text))
    log.append(Metric(at=1, metrics={"loss": number}))
    first, second = read_events(log.path)[0]
    assert first["text"] == text
    loss = second["metrics"]["loss"]
    assert loss == number or (loss is None and not abs(number) < float("inf"))


def artifact() -> Artifact:
    return Artifact(
        kind="dataset",
        name="x",
        fingerprint="f" * 64,
        step="prepare",
        inputs={},
        files={},
        metrics={"rows": 3.0},
        seed=7,
        code_version="0",
        libraries={},
        run="r",
    )


def test_an_artifact_knows_when_one_of_its_files_changed(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "train.jsonl").write_text("one")
    written = write_artifact(tmp_path, artifact())
    assert verify_artifact(tmp_path) == written == read_artifact(tmp_path)
    assert list(written.files) == ["rows/train.jsonl"]
    (tmp_path / "rows" / "train.jsonl").write_text("two")
    with pytest.raises(BrokenIntegrity, match=r"train\.jsonl is not the file that was written"):
        verify_artifact(tmp_path)
    (tmp_path / "rows" / "train.jsonl").unlink()
    with pytest.raises(BrokenIntegrity, match="is missing"):
        verify_artifact(tmp_path)


def test_a_folder_without_artifact_json_is_not_an_artifact(tmp_path: Path) -> None:
    with pytest.raises(NotThere, match=r"holds no artifact\.json"):
        read_artifact(tmp_path)
