"""Training rows that hold long passages of held-out rows: found by common word n-grams, and left out.

Near-duplicates are dealt with before, in the split; this finds a held-out answer that
stands inside of a longer training row (the n-gram overlap of Brown et al. 2020, appendix C,
taken as a share of the held-out row).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from core.data.crew import Crew, cores
from core.data.examine import said
from core.data.ledger import Ledger
from core.data.similar.passages import HeldOutPassages
from core.models.dataset import Row
from core.recipe.data import Leakage

# Characters of held-out rows whose passages are kept in memory, some 300 MB of them at most. A given test
# file comes first, then test and validation rows in the order of their hash, so that the first so many are a
# fair sample; for the rest there are the near-duplicates.
HELD_OUT_CHARACTERS = 10_000_000
BATCH_ROWS = 500
# Fewer training rows than this are looked through here: starting processes would take longer.
ALONE_ROWS = 10_000


@dataclass(frozen=True)
class Leak:
    """A training row, the held-out row that it holds, and the share of that row's passages."""

    number: int
    held_out: int
    share: float


@dataclass(frozen=True)
class Passages:
    """How many training rows hold passages, the first few, and how many held-out rows were compared."""

    count: int
    examples: tuple[Leak, ...]
    compared: int
    held_out: int


def leave_out_passages(
    leakage: Leakage, ledger: Ledger, role: str, look_up: Callable[[], None], examples: int
) -> Passages:
    """Take training rows of one role ("pool", "replay") that hold passages of held-out rows out of `walk`.

    `look_up` is called now and then and may raise to stop.
    """
    held = tuple(_held_out(ledger))
    mine = "walk.split = 'train' AND rows.role = ?"
    training = int(ledger.one(f"SELECT count(*) FROM walk JOIN rows ON rows.n = walk.n WHERE {mine}", role))  # noqa: S608
    ledger.do("DROP TABLE IF EXISTS leaks")
    ledger.do("CREATE TABLE leaks (n INTEGER PRIMARY KEY)")
    shown: list[Leak] = []
    count = 0
    with Crew(finder, Holding(leakage, held), 0 if training < ALONE_ROWS else cores()) as crew:
        for found in crew.map(_batches(ledger, role)):
            look_up()
            count += len(found)
            ledger.do_many("INSERT OR IGNORE INTO leaks VALUES (?)", ((leak.number,) for leak in found))
            shown += found[: examples - len(shown)]
    ledger.do("UPDATE rows SET fate = 'leak' WHERE n IN (SELECT n FROM leaks)")
    ledger.do("DELETE FROM walk WHERE split = 'train' AND n IN (SELECT n FROM leaks)")
    held_out = int(ledger.one("SELECT count(*) FROM walk WHERE split != 'train'"))
    return Passages(count, tuple(shown), len(held), held_out)


@dataclass(frozen=True)
class Holding:
    """What the crew is told once: the recipe's limits, and the held-out rows as (number, JSON)."""

    leakage: Leakage
    held_out: tuple[tuple[int, str], ...]


def finder(holding: Holding) -> Callable[[list[tuple[int, str]]], list[Leak]]:
    """What a process of the crew does to each batch of training rows."""
    held = HeldOutPassages(holding.leakage.ngram)
    for number, row in holding.held_out:
        held.add(number, _said(row))

    def find(rows: list[tuple[int, str]]) -> list[Leak]:
        overlaps = [(number, held.overlap(_said(row))) for number, row in rows]
        return [
            Leak(number, overlap[1], overlap[0])
            for number, overlap in overlaps
            if overlap is not None and overlap[0] >= holding.leakage.overlap
        ]

    return find


def _said(row: str) -> str:
    return said(Row.from_json(json.loads(row)).example)


def _batches(ledger: Ledger, role: str) -> Iterator[list[tuple[int, str]]]:
    rows = ledger.ask(
        "SELECT walk.n, texts.row FROM walk JOIN rows ON rows.n = walk.n JOIN texts ON texts.n = walk.n "
        "WHERE walk.split = 'train' AND rows.role = ? ORDER BY walk.at",
        role,
    )
    while batch := list(islice(rows, BATCH_ROWS)):
        yield batch


def _held_out(ledger: Ledger) -> Iterator[tuple[int, str]]:
    """Held-out rows as (number, JSON), as many as may be kept in memory."""
    room = HELD_OUT_CHARACTERS
    for number, characters, row in ledger.ask(
        "SELECT walk.n, rows.characters, texts.row FROM walk JOIN rows ON rows.n = walk.n "
        "JOIN texts ON texts.n = walk.n WHERE walk.split != 'train' "
        "ORDER BY rows.role != 'test', walk.split != 'test', walk.at"
    ):
        room -= characters
        if room < 0:
            return
        yield number, row
