"""The SQLite index: which runs there are, and the order of the queue.

It holds nothing that the folders do not say: `repair` rebuilds it, a run folder that
it does not know is taken in, and a damaged file is rebuilt on the spot. Times are
Unix seconds.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from core.workspace.home import Workspace
from core.workspace.locks import one_at_a_time
from tunery.errors import TuneryError
from tunery.files import PARTIAL

Result = TypeVar("Result")

STATUS_FILE = "status.json"
BUSY_SECONDS = 15.0


@dataclass(frozen=True)
class IndexRow:
    """What the index knows of a run. `queued` is when it last entered the queue."""

    id: str
    name: str
    state: str
    device: str
    submitted: float
    queued: float


class Index:
    """The index of one workspace. Every call opens the file, does one transaction and closes it.

    A lock of the workspace keeps calls apart: SQLite's own waiting does not cover the first
    switch to write-ahead logging, nor a file that is replaced.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def put(self, row: IndexRow) -> None:
        """Add a run, or replace what is known of it."""
        self._do(lambda connection: _put(connection, row))

    def rows(self) -> list[IndexRow]:
        """All runs, the newest first, after taking in new folders and forgetting vanished ones."""
        return self._do(self._refreshed)

    def queue(self, device: str) -> list[str]:
        """Ids that wait for `device`, the next first."""
        return self._do(lambda connection: _queue(connection, device))

    def claim(self, run_id: str, device: str) -> bool:
        """Take `run_id` from the queue of `device`, if it is its turn.

        Two processes never both get True for one turn: the look and the change are one
        transaction.
        """

        def take(connection: sqlite3.Connection) -> bool:
            if _queue(connection, device)[:1] != [run_id]:
                return False
            connection.execute("UPDATE runs SET state = 'starting' WHERE id = ?", (run_id,))
            return True

        return self._do(take)

    def _refreshed(self, connection: sqlite3.Connection) -> list[IndexRow]:
        folders = _run_folders(self.workspace)
        known = {row[0] for row in connection.execute("SELECT id FROM runs")}
        for run_id in folders - known:
            if (row := _row_of(self.workspace.run(run_id))) is not None:
                _put(connection, row)
        for run_id in known - folders:
            connection.execute("DELETE FROM runs WHERE id = ?", (run_id,))
        found = connection.execute(
            "SELECT id, name, state, device, submitted, queued FROM runs ORDER BY submitted DESC, id DESC"
        )
        return [IndexRow(*row) for row in found]

    def _do(self, action: Callable[[sqlite3.Connection], Result]) -> Result:
        """One transaction. A damaged file is rebuilt first, a file that vanished meanwhile is begun anew."""
        with one_at_a_time(self.workspace, "index"):
            try:
                return _in_transaction(self.workspace, action)
            except sqlite3.OperationalError as error:
                # SQLite refuses to write a file that somebody removed after it was opened.
                if self.workspace.index.exists():
                    raise TuneryError(_unusable(self.workspace, error)) from None
            except sqlite3.DatabaseError:
                _rebuild(self.workspace)
            try:
                return _in_transaction(self.workspace, action)
            except sqlite3.DatabaseError as error:
                raise TuneryError(_unusable(self.workspace, error)) from None


def repair(workspace: Workspace) -> int:
    """Rebuild the index from the run folders; the old file moves to the trash. Returns the number of runs."""
    with one_at_a_time(workspace, "index"):
        return _rebuild(workspace)


def _rebuild(workspace: Workspace) -> int:
    new = workspace.index.with_name(f"{PARTIAL}{uuid.uuid4().hex[:8]}-{workspace.index.name}")
    rows = [row for name in sorted(_run_folders(workspace)) if (row := _row_of(workspace.run(name)))]
    with closing(_open(new)) as connection:
        for row in rows:
            _put(connection, row)
    _to_trash(workspace)
    os.replace(new, workspace.index)
    return len(rows)


# --- the schema -----------------------------------------------------------------------------


def _create_runs(connection: sqlite3.Connection) -> None:
    connection.execute(
        "CREATE TABLE runs (id TEXT PRIMARY KEY, name TEXT NOT NULL, state TEXT NOT NULL, "
        "device TEXT NOT NULL, submitted REAL NOT NULL, queued REAL NOT NULL)"
    )
    connection.execute("CREATE INDEX runs_by_queue ON runs (device, state, queued)")


# Append only: a migration that was released is never changed. Its number is its place, from 1.
MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_create_runs,)


def _migrate(connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise TuneryError(
            f"the workspace's index has schema {version} and this Tunery knows {len(MIGRATIONS)}; "
            "use the newer Tunery that wrote it, or another TUNERY_HOME"
        )
    if version == len(MIGRATIONS):
        return
    with _transaction(connection):
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        for number, migration in enumerate(MIGRATIONS[version:], start=version + 1):
            migration(connection)
            connection.execute(f"PRAGMA user_version = {number}")


# --- rows -----------------------------------------------------------------------------------


def _put(connection: sqlite3.Connection, row: IndexRow) -> None:
    values = (row.id, row.name, row.state, row.device, row.submitted, row.queued)
    connection.execute(
        "INSERT OR REPLACE INTO runs (id, name, state, device, submitted, queued) VALUES (?, ?, ?, ?, ?, ?)",
        values,
    )


def _queue(connection: sqlite3.Connection, device: str) -> list[str]:
    found = connection.execute(
        "SELECT id FROM runs WHERE device = ? AND state = 'queued' ORDER BY queued, id", (device,)
    )
    return [row[0] for row in found]


def row_from_status(status: Mapping[str, Any]) -> IndexRow:
    """The row that a run's `status.json` stands for."""
    submitted = float(status["submitted"])
    return IndexRow(
        id=str(status["id"]),
        name=str(status["name"]),
        state=str(status["state"]),
        device=str(status["device"]),
        submitted=submitted,
        queued=float(status.get("queued") or submitted),
    )


def _row_of(folder: Path) -> IndexRow | None:
    """A folder's row; None for a folder that is no run or whose status cannot be read."""
    try:
        return row_from_status(json.loads((folder / STATUS_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _run_folders(workspace: Workspace) -> set[str]:
    try:
        with os.scandir(workspace.runs) as entries:
            return {entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir()}
    except FileNotFoundError:
        return set()


# --- the file -------------------------------------------------------------------------------


def _in_transaction(workspace: Workspace, action: Callable[[sqlite3.Connection], Result]) -> Result:
    with closing(_open(workspace.index)) as connection, _transaction(connection):
        return action(connection)


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        _migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _to_trash(workspace: Workspace) -> None:
    """The old file and its write-ahead log, kept together for a few days."""
    old = [workspace.index.with_name(workspace.index.name + end) for end in ("", "-wal", "-shm")]
    if not any(path.exists() for path in old):
        return
    folder = workspace.trash / f"index-{time.time_ns()}"
    folder.mkdir(parents=True)
    for path in old:
        if path.exists():
            os.rename(path, folder / path.name)


def _unusable(workspace: Workspace, error: sqlite3.Error) -> str:
    return (
        f"the index {workspace.index} cannot be used ({error}); free some space, check that the folder "
        "can be written, or set TUNERY_HOME to another folder"
    )
