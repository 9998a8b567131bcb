"""Files and folders are whole or not there, whenever their writer dies."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tunery.errors import BrokenIntegrity, NoRoom
from tunery.files import need_room, read_json, remove_partials, whole_file, whole_folder, write_json_whole


def test_a_block_that_raises_leaves_the_old_file_and_no_scraps(tmp_path: Path) -> None:
    target = tmp_path / "status.json"
    write_json_whole(target, {"state": "running"})
    with pytest.raises(RuntimeError), whole_file(target) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert read_json(target) == {"state": "running"}
    assert [path.name for path in tmp_path.iterdir()] == ["status.json"]


def test_a_folder_replaces_the_one_before_as_a_whole(tmp_path: Path) -> None:
    for text in ("first", "second"):
        with whole_folder(tmp_path / "model") as partial:
            (partial / text).write_text(text)
            assert not (tmp_path / "model" / text).exists()
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["second"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_killed_writer_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom tunery.files import whole_folder\n"
        "with whole_folder(Path(sys.argv[1]) / 'model') as partial:\n"
        "    (partial / 'weights').write_text('half')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "model").exists()
    remove_partials(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_too_small_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(NoRoom, match=r"the GGUF file needs .* free; free some space"):
        need_room(tmp_path, 2**62, "the GGUF file")


def test_json_that_something_else_changed_is_named(tmp_path: Path) -> None:
    (tmp_path / "artifact.json").write_text('{"kind": ')
    with pytest.raises(BrokenIntegrity, match=r"artifact\.json is not valid JSON"):
        read_json(tmp_path / "artifact.json")
    assert json.loads("{}") == {}
