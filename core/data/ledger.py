"""The scratch database of one look at the data: every usable row, and what became of it.

It lies on the disk and is thrown away afterwards, so memory stays flat however many
rows there are. Decisions about rows are statements in SQL over all of them; sorting and
grouping spill to the disk. Rows are numbered from 1 in the order of sources and lines.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

# SQLite's integers are signed; shifting keeps the order of unsigned keys.
_SHIFT = 1 << 63
CACHE_KIB = 32 * 1024


class Entry(NamedTuple):
    """What is known of one row. `source` is a position in the list of sources.

    `key` and `prompt` are equal for rows that say, or ask, the same; `draw` decides
    where a row goes. All three are 64-bit keys from hashes, see `signed`. `row` is
    `Row.to_json` as text.
    """

    source: int
    role: str
    line: int
    key: int
    prompt: int
    draw: int
    characters: int
    task: str | None
    label: str | None
    row: str


def signed(digest: bytes | str) -> int:
    """The first 8 bytes of a digest (or 16 of its hex digits) as a key that SQLite sorts like the digest."""
    raw = bytes.fromhex(digest[:16]) if isinstance(digest, str) else digest[:8]
    return int.from_bytes(raw, "big") - _SHIFT


_SCHEMA = """
CREATE TABLE rows (
  n INTEGER PRIMARY KEY, source INTEGER, role TEXT, line INTEGER, key INTEGER, prompt INTEGER, draw INTEGER,
  characters INTEGER, task TEXT, label TEXT,
  lead INTEGER,  -- the first row of its group of near-duplicates, where that is another one
  fate TEXT      -- why it is left out; NULL for a row that is kept
);
CREATE TABLE texts (n INTEGER PRIMARY KEY, row TEXT);
CREATE TABLE walk (at INTEGER PRIMARY KEY, n INTEGER, split TEXT, copies INTEGER);
CREATE TABLE left_out (source TEXT, line INTEGER, reason TEXT, what TEXT, row TEXT);
"""


class Ledger:
    """Open it on a path that does not exist, and `close` it; the file is not for keeping."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        self._connection.execute("PRAGMA temp_store = FILE")
        self._connection.executescript(_SCHEMA)
        self._connection.execute("BEGIN")
        self.rows = 0

    def close(self) -> None:
        self._connection.close()

    def add(self, entries: Iterable[Entry]) -> None:
        """Append rows; they get the next numbers."""
        for entry in entries:
            self.rows += 1
            *facts, text = entry
            self._connection.execute(
                "INSERT INTO rows (n, source, role, line, key, prompt, draw, characters, task, label) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (self.rows, *facts),
            )
            self._connection.execute("INSERT INTO texts VALUES (?, ?)", (self.rows, text))

    def leave_out(self, source: str, line: int, reason: str, what: str, row: str | None) -> None:
        """Note a row that never became one: `what` is wrong with it, `row` is what was read, if anything."""
        self._connection.execute(
            "INSERT INTO left_out VALUES (?, ?, ?, ?, ?)", (source, line, reason, what, row)
        )

    def do(self, statement: str, *values: Any) -> int:
        """Run one statement; returns how many rows it changed."""
        return self._connection.execute(statement, values).rowcount

    def do_many(self, statement: str, values: Iterable[tuple[Any, ...]]) -> None:
        self._connection.executemany(statement, values)

    def ask(self, query: str, *values: Any) -> Iterator[Any]:
        """Rows of a query, one after the other; nothing is gathered in memory.

        No table can be dropped before the last of them was taken.
        """
        return iter(self._connection.execute(query, values))

    def one(self, query: str, *values: Any) -> Any:
        """The value of a query for one value, None where there is none."""
        found = self._connection.execute(query, values).fetchall()
        return found[0][0] if found else None

    def text(self, number: int) -> str:
        """The row `number` as it was added."""
        return str(self.one("SELECT row FROM texts WHERE n = ?", number))
