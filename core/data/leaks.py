"""Training rows that hold long passages of held-out rows: found by common word n-grams, and left out.

Near-duplicates are dealt with before, in the split; this finds a held-out answer that
stands inside of a longer training row (the n-gram overlap of Brown et al. 2020, appendix C,
taken as a share of the held-out row).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from core.data.examine import said
from core.data.ledger import Ledger
from core.data.similar.passages import HeldOutPassages
from core.models.dataset import Row
from core.recipe.data import Leakage

# Held-out rows whose passages are kept in memory. Rows of a split stand in the order of their hash, so the
# first so many of a larger split are a fair sample; for the rest there are the near-duplicates.
HELD_OUT = 20_000


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
    held = HeldOutPassages(leakage.ngram)
    for number, text in _texts("split != 'train'", HELD_OUT, ledger):
        held.add(number, text)
    ledger.do("CREATE TABLE leaks (n INTEGER PRIMARY KEY)")
    shown: list[Leak] = []
    count = 0
    for position, (number, text) in enumerate(_texts("split = 'train'", -1, ledger)):
        if position % 1000 == 0:
            look_up()
        overlap = held.overlap(text)
        if overlap is None or overlap[0] < leakage.overlap:
            continue
        count += 1
        ledger.do("INSERT OR IGNORE INTO leaks VALUES (?)", number)
        if len(shown) < examples:
            shown.append(Leak(number, overlap[1], overlap[0]))
    ledger.do("UPDATE rows SET fate = 'leak' WHERE n IN (SELECT n FROM leaks)")
    ledger.do("DELETE FROM walk WHERE split = 'train' AND n IN (SELECT n FROM leaks)")
    return count, tuple(shown)


def _texts(where: str, limit: int, ledger: Ledger) -> Iterator[tuple[int, str]]:
    query = (  # `where` is one of our own.
        "SELECT walk.n, texts.row FROM walk JOIN texts ON texts.n = walk.n "  # noqa: S608
        f"WHERE {where} ORDER BY walk.at LIMIT ?"
    )
    for number, text in ledger.ask(query, limit):
        yield number, said(Row.from_json(json.loads(text)).example)
