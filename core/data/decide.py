"""Which rows are kept: duplicates, contradictions, near-duplicates. Statements over the whole ledger.

Only rows of the pool are ever left out here; a given test file stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.data.ledger import Ledger
from core.recipe.data import Clean

if TYPE_CHECKING:
    from core.data.similar.near import NearDuplicates

# Kinds of which equal prompts must have equal answers; others are meant to differ.
_ONE_ANSWER = ("conversation", "classification")


@dataclass(frozen=True)
class Twin:
    """A row that repeats, contradicts or resembles an earlier one."""

    number: int
    source: int
    line: int
    first_source: int
    first_line: int


@dataclass(frozen=True)
class Decided:
    """How many rows of one kind each file has, the first few of each, and whether they were left out."""

    code: str
    by_source: dict[int, int]
    examples: tuple[Twin, ...]
    dropped: bool
    left_out: int = 0

    @property
    def count(self) -> int:
        return sum(self.by_source.values())


def decide(
    clean: Clean, ledger: Ledger, near: NearDuplicates | None, kinds: tuple[str | None, ...], examples: int
) -> list[Decided]:
    """Mark what the recipe wants left out, and count the rest. `kinds` are those of the sources, in order."""
    ledger.do("CREATE INDEX by_key ON rows (key, n)")
    found = [
        _decide("duplicate", _DUPLICATES, clean.duplicates == "drop", ledger, examples),
        _decide("contradiction", _contradictions(kinds), clean.contradictions == "drop", ledger, examples),
    ]
    if near is None:
        return found
    if clean.near_duplicates is not None:
        _write_groups(near, clean.near_duplicates, ledger)
        found.append(_decide("near_duplicate", _NEAR, True, ledger, examples))
    if clean.leakage.enabled:
        _write_groups(near, clean.leakage.similarity, ledger)
        _follow_leads(ledger)
    return found


def _follow_leads(ledger: Ledger) -> None:
    """Near-duplicates go the same way, so that no row is tested that was nearly trained on.

    The row with the lowest draw leads: the order of files must not matter.
    """
    ledger.do("DROP TABLE IF EXISTS leads")
    # With min(), SQLite takes the other columns from the row that has the minimum.
    ledger.do(
        "CREATE TABLE leads AS SELECT kin.lead AS grp, rows.n AS n, min(rows.draw) FROM kin "
        "JOIN rows ON rows.n = kin.n GROUP BY kin.lead"
    )
    ledger.do("CREATE INDEX by_group ON leads (grp)")
    ledger.do(
        "UPDATE rows SET lead = ("
        " SELECT leads.n FROM kin JOIN leads ON leads.grp = kin.lead WHERE kin.n = rows.n"
        ") WHERE n IN (SELECT n FROM kin)"
    )


def leave_out_leaks(ledger: Ledger, examples: int) -> tuple[int, tuple[tuple[int, int], ...]]:
    """Leave out rows of the pool that are, or are nearly, rows of the given test file.

    Returns how many there were, and the first few as (source, line).
    """
    same = (
        "role = 'pool' AND fate IS NULL AND ("
        " key IN (SELECT key FROM rows WHERE role = 'test')"
        " OR coalesce(lead, n) IN (SELECT coalesce(lead, n) FROM rows WHERE role = 'test'))"
    )
    shown = tuple(ledger.ask(f"SELECT source, line FROM rows WHERE {same} ORDER BY n LIMIT ?", examples))  # noqa: S608
    return ledger.do(f"UPDATE rows SET fate = 'leak' WHERE {same}"), shown  # noqa: S608


# Each lists (n, first): a row of the pool, and the earlier one that makes it superfluous.
_DUPLICATES = (
    "SELECT rows.n, groups.first FROM rows JOIN ("
    " SELECT key, min(n) AS first FROM rows WHERE role = 'pool' GROUP BY key HAVING count(*) > 1"
    ") AS groups ON rows.key = groups.key WHERE rows.role = 'pool' AND rows.n > groups.first"
)
_NEAR = (
    "SELECT rows.n, groups.first FROM rows JOIN kin ON kin.n = rows.n JOIN ("
    " SELECT kin.lead AS lead, min(rows.n) AS first FROM rows JOIN kin ON kin.n = rows.n"
    " WHERE rows.role = 'pool' AND rows.fate IS NULL GROUP BY kin.lead"
    ") AS groups ON kin.lead = groups.lead"
    " WHERE rows.role = 'pool' AND rows.fate IS NULL AND rows.n > groups.first"
)


def _contradictions(kinds: tuple[str | None, ...]) -> str:
    sources = ", ".join(str(number) for number, kind in enumerate(kinds) if kind in _ONE_ANSWER) or "-1"
    asked = f"role = 'pool' AND fate IS NULL AND source IN ({sources})"
    # The numbers are ours, so nothing foreign gets into the statement.
    return (
        "SELECT rows.n, groups.first FROM rows JOIN ("  # noqa: S608
        f" SELECT prompt, min(n) AS first FROM rows WHERE {asked} GROUP BY prompt HAVING min(key) < max(key)"
        f") AS groups ON rows.prompt = groups.prompt WHERE {asked} AND rows.n > groups.first"
        " AND rows.key != (SELECT key FROM rows AS one WHERE one.n = groups.first)"
    )


def _decide(code: str, query: str, drop: bool, ledger: Ledger, examples: int) -> Decided:
    ledger.do("DROP TABLE IF EXISTS twins")
    ledger.do(f"CREATE TABLE twins AS {query}")
    by_source: dict[int, int] = dict(
        ledger.ask("SELECT source, count(*) FROM rows WHERE n IN (SELECT n FROM twins) GROUP BY source")
    )
    mark = "UPDATE rows SET fate = ? WHERE fate IS NULL AND n IN (SELECT n FROM twins)"
    left_out = ledger.do(mark, code) if drop else 0
    shown = ledger.ask(
        "SELECT a.n, a.source, a.line, b.source, b.line FROM ("
        " SELECT twins.n AS n, twins.first AS first, rows.source AS source,"
        " row_number() OVER (PARTITION BY rows.source ORDER BY twins.n) AS place"
        " FROM twins JOIN rows ON rows.n = twins.n"
        ") AS few JOIN rows AS a ON a.n = few.n JOIN rows AS b ON b.n = few.first "
        "WHERE place <= ? ORDER BY a.n",
        examples,
    )
    return Decided(code, by_source, tuple(Twin(*row) for row in shown), drop, left_out)


def _write_groups(near: NearDuplicates, similarity: float, ledger: Ledger) -> None:
    """The table `kin`: every row that has near-duplicates, with the first row of its group."""
    ledger.do("DROP TABLE IF EXISTS kin")
    ledger.do("CREATE TABLE kin (n INTEGER PRIMARY KEY, lead INTEGER)")
    ledger.do_many("INSERT INTO kin VALUES (?, ?)", _numbered(near, similarity))
    ledger.do("INSERT OR IGNORE INTO kin SELECT DISTINCT lead, lead FROM kin")
    ledger.do("CREATE INDEX by_lead ON kin (lead)")


def _numbered(near: NearDuplicates, similarity: float) -> Iterator[tuple[int, int]]:
    # Sketches count from 0, the ledger from 1.
    return ((row + 1, lead + 1) for row, lead in near.groups(similarity))
