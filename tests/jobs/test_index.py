"""The index is only an index: it is rebuilt from the folders, and two claims never win one turn."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from core.workspace.home import Workspace
from core.workspace.index import MIGRATIONS, Index, IndexRow, repair
from core.workspace.trash import KEEP_SECONDS, empty_trash, to_trash
from tunery.errors import TuneryError


def row(number: int, state: str = "queued", device: str = "cpu") -> IndexRow:
    return IndexRow(f"run-{number}", "tiny", state, device, float(number), float(number))


def test_a_turn_is_claimed_once_however_many_try(workspace: Workspace) -> None:
    Index(workspace).put(row(1))
    won: list[bool] = []
    threads = [
        threading.Thread(target=lambda: won.append(Index(workspace).claim("run-1", "cpu"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 7 + [True]


def test_the_queue_of_each_device_is_in_order_of_asking(workspace: Workspace) -> None:
    index = Index(workspace)
    for item in (row(3), row(1), row(2, device="cuda-0"), row(0, state="done")):
        index.put(item)
    assert index.queue("cpu") == ["run-1", "run-3"]
    assert index.queue("cuda-0") == ["run-2"]
    assert not index.claim("run-3", "cpu")
    assert index.claim("run-1", "cpu")
    assert index.claim("run-3", "cpu")


def test_a_folder_that_vanished_is_forgotten(workspace: Workspace) -> None:
    Index(workspace).put(row(1))
    assert Index(workspace).rows() == []


def test_repair_keeps_the_old_file_for_a_while(workspace: Workspace) -> None:
    Index(workspace).put(row(1))
    old = workspace.index.read_bytes()
    assert repair(workspace) == 0
    kept = next(workspace.trash.glob("index-*"))
    assert (kept / "tunery.db").read_bytes() == old


def test_an_index_of_a_newer_tunery_is_left_alone(workspace: Workspace) -> None:
    Index(workspace).put(row(1))
    with closing(sqlite3.connect(workspace.index)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    before = workspace.index.read_bytes()
    with pytest.raises(TuneryError, match="use the newer Tunery"):
        Index(workspace).rows()
    assert workspace.index.read_bytes() == before


def test_an_index_that_cannot_be_written_is_told_in_one_sentence(workspace: Workspace) -> None:
    workspace.index.mkdir(parents=True)
    with pytest.raises(TuneryError, match=r"cannot be used .*set TUNERY_HOME to another folder"):
        Index(workspace).rows()


def test_two_processes_may_create_the_index_at_once(workspace: Workspace) -> None:
    errors: list[Exception] = []

    def put(number: int) -> None:
        try:
            Index(workspace).put(row(number))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(Index(workspace).queue("cpu")) == 6


def test_the_trash_is_emptied_after_seven_days(workspace: Workspace, tmp_path: Path) -> None:
    import os
    import time

    empty_trash(workspace)
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    old, new = to_trash(workspace, tmp_path / "old"), to_trash(workspace, tmp_path / "new")
    past = time.time() - KEEP_SECONDS - 60
    os.utime(old, (past, past))
    empty_trash(workspace)
    assert not old.exists()
    assert (new / "file").exists()
