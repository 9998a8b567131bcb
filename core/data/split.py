"""Divide rows into train, validation and test: the table `walk`, in the order in which rows are written.

What a row says decides where it goes, together with the seed: not its file, its line
or the order of files. Rows that are word for word equal stay together, and so do
near-duplicates, so that no test row was ever trained on. Shares are met exactly, as far
as groups of such rows allow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from core.data.ledger import Ledger
from core.recipe.data import Split
from tunery.errors import DataError

# Rows of one key, and near-duplicates, are one group; its first row's draw says where it goes.
_GROUPED = (
    "CREATE TABLE grouped AS SELECT rows.n AS n, first.key AS grp, first.draw AS draw FROM rows "
    "JOIN rows AS first ON first.n = coalesce(rows.lead, rows.n) "
    "WHERE rows.role = 'pool' AND rows.fate IS NULL"
)


def divide(split: Split, ledger: Ledger) -> None:
    """Fill `walk` with all kept rows of the pool, and with those of a given test file as the test split.

    Rows of a split come in the order of their hash, so that the first so many are a fair
    sample; those of a test file in their own. A share above 0 gets at least one row.
    Raises DataError when that leaves nothing to train on.
    """
    share = split.test if isinstance(split.test, float) else 0.0
    rows = int(ledger.one("SELECT count(*) FROM rows WHERE role = 'pool' AND fate IS NULL"))
    wanted = {"test": _count(rows, share), "validation": _count(rows, split.validation)}
    ledger.do("DELETE FROM walk")
    for table in ("grouped", "places"):
        ledger.do(f"DROP TABLE IF EXISTS {table}")
    ledger.do(_GROUPED)
    ledger.do("CREATE INDEX by_grp ON grouped (grp)")
    ledger.do("CREATE TABLE places (grp INTEGER PRIMARY KEY, at INTEGER, split TEXT)")
    groups = ledger.ask("SELECT grp, count(*) FROM grouped GROUP BY grp ORDER BY min(draw), grp")
    ledger.do_many("INSERT INTO places VALUES (?, ?, ?)", _places(groups, wanted))
    ledger.do(
        "INSERT INTO walk (n, split, copies) SELECT grouped.n, places.split, 1 FROM grouped "
        "JOIN places ON places.grp = grouped.grp JOIN rows ON rows.n = grouped.n "
        "ORDER BY places.at, rows.draw, rows.key, rows.source, rows.line"
    )
    ledger.do(
        "INSERT INTO walk (n, split, copies) SELECT n, 'test', 1 FROM rows WHERE role = 'test' ORDER BY n"
    )
    _check_filled(ledger, wanted, rows)


def _places(groups: Iterable[tuple[int, int]], wanted: dict[str, int]) -> Iterator[tuple[int, int, str]]:
    """(group, place in the order, split); a group larger than what a share still needs goes further down."""
    taken = dict.fromkeys(wanted, 0)
    for at, (group, rows) in enumerate(groups):
        name = next((name for name, count in wanted.items() if taken[name] + rows <= count), "train")
        if name in taken:
            taken[name] += rows
        yield group, at, name


def _count(rows: int, share: float) -> int:
    return max(1, round(rows * share)) if share > 0 else 0


def _check_filled(ledger: Ledger, wanted: dict[str, int], rows: int) -> None:
    filled = {name for (name,) in ledger.ask("SELECT DISTINCT split FROM walk")}
    needed: Sequence[tuple[str, int]] = (*wanted.items(), ("train", 1))
    lacking = [name for name, count in needed if count and name not in filled]
    if lacking:
        lost = ledger.ask("SELECT fate, count(*) FROM rows WHERE fate IS NOT NULL GROUP BY fate")
        left_out = ", ".join(f"{count} {fate.replace('_', ' ')}" for fate, count in lost)
        why = (
            f" after {left_out} were left out" if left_out else ", some of which may be equal or nearly equal"
        )
        raise DataError(
            f"data.split leaves no rows for {' and '.join(lacking)}: there are {rows} rows{why}; "
            "add rows, or set the share to 0"
        )
