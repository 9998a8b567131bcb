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

# Held-out rows whose passages are kept in memory. Rows of a split stand in the order of their hash, so the
# first so many of a larger split are a fair sample; for the rest there are the near-duplicates.
HELD_OUT = 20_000
BATCH_ROWS = 500
# Fewer training rows than this are looked through here: starting processes would take longer.
ALONE_ROWS = 10_000


@dataclass(frozen=True)
class Leak:
    """A training row, the held-out row that it holds, and the share of that row's passages."""

    number: int
    held_out: int
    share: float


def leave_out_passages(
    leakage: Leakage, ledger: Ledger, look_up: Callable[[], None], examples: int
) -> tuple[int, tuple[Leak, ...]]:
    """Take training rows that hold passages of held-out rows out of `walk`; how many, and the first few.

    `look_up` is called now and then and may raise to stop.
    """
    held = tuple(_rows("split != 'train'", HELD_OUT, ledger))
    training = int(ledger.one("SELECT count(*) FROM walk WHERE split = 'train'"))
    ledger.do("CREATE TABLE leaks (n INTEGER PRIMARY KEY)")
    shown: list[Leak] = []
    count = 0
    with Crew(finder, Holding(leakage, held), 0 if training < ALONE_ROWS else cores()) as crew:
        for found in crew.map(_batches(ledger)):
            look_up()
            count += len(found)
            ledger.do_many("INSERT OR IGNORE INTO leaks VALUES (?)", ((leak.number,) for leak in found))
            shown += found[: examples - len(shown)]
    ledger.do("UPDATE rows SET fate = 'leak' WHERE n IN (SELECT n FROM leaks)")
    ledger.do("DELETE FROM walk WHERE split = 'train' AND n IN (SELECT n FROM leaks)")
    return count, tuple(shown)


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


def _batches(ledger: Ledger) -> Iterator[list[tuple[int, str]]]:
    rows = _rows("split = 'train'", -1, ledger)
    while batch := list(islice(rows, BATCH_ROWS)):
        yield batch


def _rows(where: str, limit: int, ledger: Ledger) -> Iterator[tuple[int, str]]:
    """Rows of `walk` as (number, JSON), in its order; -1 is no limit. `where` is one of our own."""
    query = (
        "SELECT walk.n, texts.row FROM walk JOIN texts ON texts.n = walk.n "  # noqa: S608
        f"WHERE {where} ORDER BY walk.at LIMIT ?"
    )
    yield from ledger.ask(query, limit)
