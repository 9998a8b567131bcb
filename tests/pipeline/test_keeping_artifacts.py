"""An artifact is either whole and in its place, or not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.pipeline.keep import clear_partials, keep, look_over, partial_folder
from core.pipeline.trouble import take_trouble, trouble_of, write_trouble
from core.workspace.artifacts import Artifact, write_artifact
from core.workspace.home import Workspace
from tunery.errors import DataError

FINGERPRINT = "f" * 64


@pytest.fixture
def artifact(workspace: Workspace) -> Path:
    place = workspace.artifact("model", FINGERPRINT)
    fill(partial_folder(place, "run", "train[0]"))
    keep(partial_folder(place, "run", "train[0]"), place)
    return place


def fill(folder: Path, text: str = "weights") -> None:
    folder.mkdir(parents=True)
    (folder / "weights.txt").write_text(text)
    write_artifact(folder, Artifact("model", "x", FINGERPRINT, "train[0]", {}, {}, {}, 7, "0", {}, "run"))


def test_a_kept_artifact_is_whole_and_leaves_nothing_behind(artifact: Path) -> None:
    assert look_over(artifact, FINGERPRINT) is None
    assert [path.name for path in artifact.parent.iterdir()] == [FINGERPRINT]


def test_an_equal_artifact_that_was_there_first_stays(artifact: Path) -> None:
    second = partial_folder(artifact, "other", "train[0]")
    fill(second, "the same, later")
    keep(second, artifact)
    assert (artifact / "weights.txt").read_text() == "weights"
    assert not second.exists()


def test_what_is_wrong_with_an_artifact_is_said(artifact: Path) -> None:
    assert "another fingerprint" in str(look_over(artifact, "e" * 64))
    weights = artifact / "weights.txt"
    weights.write_text("other")
    assert str(look_over(artifact, FINGERPRINT)).endswith("weights.txt was changed")
    weights.unlink()
    assert str(look_over(artifact, FINGERPRINT)).endswith("weights.txt is missing")
    (artifact / "artifact.json").write_text("{")
    assert "not valid JSON" in str(look_over(artifact, FINGERPRINT))
    (artifact / "artifact.json").unlink()
    assert "holds no artifact.json" in str(look_over(artifact, FINGERPRINT))


def test_a_file_that_was_only_touched_is_not_damaged(artifact: Path) -> None:
    os.utime(artifact / "weights.txt")
    assert look_over(artifact, FINGERPRINT) is None


def test_only_the_partials_of_one_run_are_cleared(artifact: Path, workspace: Workspace) -> None:
    for run in ("mine", "yours"):
        partial_folder(artifact, run, "train[0]").mkdir()
    clear_partials(workspace, "mine")
    left = sorted(path.name for path in artifact.parent.iterdir())
    assert left == [".partial-yours-train[0]", FINGERPRINT]


def test_an_error_travels_from_the_child_once(tmp_path: Path) -> None:
    trouble = trouble_of(DataError("rows.jsonl line 3: no answer; add one"), "prepare")
    write_trouble(tmp_path, "prepare", trouble)
    assert take_trouble(tmp_path, "prepare") == trouble
    assert take_trouble(tmp_path, "prepare") is None
    assert (trouble.error_class, trouble.exit_code) == ("DataError", 2)


@pytest.mark.parametrize(
    ("error", "error_class"),
    [
        (MemoryError(), "OutOfMemory"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), "OutOfMemory"),
        (RuntimeError("shape mismatch"), "RuntimeError"),
        (OSError(28, "No space left on device"), "NoRoom"),
        (PermissionError(13, "Permission denied"), "PermissionError"),
        (KeyError("loss"), "KeyError"),
    ],
)
def test_an_unknown_error_becomes_one_sentence(
    error: Exception, error_class: str, capsys: pytest.CaptureFixture[str]
) -> None:
    trouble = trouble_of(error, "train[0]")
    assert trouble.error_class == error_class
    assert "\n" not in trouble.error
    assert type(error).__name__ in capsys.readouterr().err
