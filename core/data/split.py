"""Divide rows into train, validation and test: the table `walk`, in the order in which rows are written.

What a row says decides where it goes, together with the seed: not its file, its line
or the order of files. Rows that are word for word equal stay together, and so do
near-duplicates, so that no test row was ever trained on. Shares are met exactly, as far
as groups of such rows allow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from core.data.ledger import Ledger
from core.recipe.data import Split
from tunery.errors import DataError

# A row of near-duplicates goes where the first of its group goes.
_ORDER = (
    "SELECT rows.n, first.key FROM rows JOIN rows AS first ON first.n = coalesce(rows.lead, rows.n) "
    "WHERE rows.role = 'pool' AND rows.fate IS NULL "
    "ORDER BY first.draw, first.key, rows.draw, rows.key, rows.source, rows.line"
)


def divide(split: Split, ledger: Ledger) -> None:
    """Fill `walk` with all kept rows of the pool, and with those of a given test file as the test split.

    Rows of a split come in the order of their hash, so that the first so many are a fair
    sample. A share above 0 gets at least one row. Raises DataError when that leaves
    nothing to train on.
    """
    share = split.test if isinstance(split.test, float) else 0.0
    rows = int(ledger.one("SELECT count(*) FROM rows WHERE role = 'pool' AND fate IS NULL"))
    wanted = {"test": _count(rows, share), "validation": _count(rows, split.validation)}
    ledger.do("DELETE FROM walk")
    ledger.do_many(
        "INSERT INTO walk (n, split, copies) VALUES (?, ?, 1)", _places(ledger.ask(_ORDER), wanted)
    )
    ledger.do(
        "INSERT INTO walk (n, split, copies) SELECT n, 'test', 1 FROM rows WHERE role = 'test' ORDER BY n"
    )
    _check_filled(ledger, wanted, rows)


def _places(ordered: Iterable[tuple[int, int]], wanted: dict[str, int]) -> Iterator[tuple[int, str]]:
    taken = dict.fromkeys(wanted, 0)
    for _, equal in groupby(ordered, key=lambda row: row[1]):
        numbers = [number for number, _ in equal]
        name = _room_for(len(numbers), wanted, taken)
        if name in taken:
            taken[name] += len(numbers)
        for number in numbers:
            yield number, name


def _room_for(rows: int, wanted: dict[str, int], taken: dict[str, int]) -> str:
    """A group that is larger than what a share still needs goes further down, to train at the last."""
    return next((name for name, count in wanted.items() if taken[name] + rows <= count), "train")


def _count(rows: int, share: float) -> int:
    return max(1, round(rows * share)) if share > 0 else 0


def _check_filled(ledger: Ledger, wanted: dict[str, int], rows: int) -> None:
    filled = {name for (name,) in ledger.ask("SELECT DISTINCT split FROM walk")}
    needed: Sequence[tuple[str, int]] = (*wanted.items(), ("train", 1))
    lacking = [name for name, count in needed if count and name not in filled]
    if lacking:
        raise DataError(
            f"data.split leaves no rows for {' and '.join(lacking)}: there are {rows} rows, some of which "
            "may be equal or nearly equal; add rows, or set the share to 0"
        )
