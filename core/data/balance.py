"""How often training sees each row: sources' weights, groups of one size, caps, replay.

Only the training rows of `walk` are touched. A row's wanted count need not be whole:
what is left after the whole part is decided by its hash, so that 0.5 takes half of the
rows, always the same ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from core.data.ledger import Ledger
from core.recipe.data import Balance, Replay

_COLUMNS = {
    "task": "coalesce(rows.task, '')",
    "label": "coalesce(rows.label, '')",
    "source": "origins.origin",
}
_TRAIN = (
    "FROM walk JOIN rows ON rows.n = walk.n JOIN origins ON origins.source = rows.source "
    "WHERE walk.split = 'train'"
)


def balance_training(
    section: Balance, weights: Mapping[int, float], origins: Sequence[int], ledger: Ledger
) -> int:
    """Set `walk.copies` of the training rows; returns how many rows training sees then.

    `weights` has the weight of each source of the recipe by position, `origins` the
    position of every file's source.
    """
    ledger.do("DROP TABLE IF EXISTS origins")
    ledger.do("CREATE TABLE origins (source INTEGER PRIMARY KEY, origin INTEGER)")
    ledger.do_many("INSERT INTO origins VALUES (?, ?)", enumerate(origins))
    factors = _mixture(section, weights, ledger)
    groups = _group_factors(section, ledger)
    column = _COLUMNS[section.by] if section.by else "''"
    ledger.do("DROP TABLE IF EXISTS wanted")
    ledger.do("CREATE TABLE wanted (at INTEGER PRIMARY KEY, copies INTEGER)")
    rows = ledger.ask(f"SELECT walk.at, rows.draw, origins.origin, {column} {_TRAIN} ORDER BY walk.at")
    ledger.do_many("INSERT INTO wanted VALUES (?, ?)", _copies(rows, factors, groups, section.cap))
    ledger.do(
        "UPDATE walk SET copies = (SELECT copies FROM wanted WHERE wanted.at = walk.at) "
        "WHERE at IN (SELECT at FROM wanted)"
    )
    return int(ledger.one("SELECT coalesce(sum(copies), 0) FROM walk WHERE split = 'train'"))


def replay_rows(replay: Replay, ledger: Ledger) -> int:
    """Append rows of the earlier run to the training rows, until they are the wanted share; returns how many.

    Rows that are validation or test rows now are never among them.
    """
    training = int(ledger.one("SELECT coalesce(sum(copies), 0) FROM walk WHERE split = 'train'"))
    wanted = round(training * replay.share / (1 - replay.share))
    return ledger.do(
        "INSERT INTO walk (n, split, copies) SELECT n, 'train', 1 FROM rows WHERE role = 'replay' "
        "AND fate IS NULL AND key NOT IN "
        "(SELECT rows.key FROM walk JOIN rows ON rows.n = walk.n WHERE walk.split != 'train') "
        "ORDER BY draw, key, n LIMIT ?",
        wanted,
    )


def _mixture(section: Balance, weights: Mapping[int, float], ledger: Ledger) -> dict[int, float]:
    """How often a row of each source is wanted: its weight, bent by the temperature (Raffel et al. 2020).

    The largest source keeps its count; smaller ones are repeated.
    """
    if section.temperature is None:
        return dict(weights)
    sizes: dict[int, int] = dict(
        ledger.ask(f"SELECT origins.origin, count(*) {_TRAIN} GROUP BY origins.origin")
    )
    if not sizes:
        return dict(weights)
    largest = max(sizes.values())
    power = 1.0 / section.temperature
    return {
        origin: weights.get(origin, 1.0) * (size / largest) ** power * largest / size
        for origin, size in sizes.items()
    }


def _group_factors(section: Balance, ledger: Ledger) -> dict[object, float]:
    if section.by is None or section.cap is not None:
        return {}
    column = _COLUMNS[section.by]
    sizes: dict[object, int] = dict(ledger.ask(f"SELECT {column}, count(*) {_TRAIN} GROUP BY {column}"))
    if not sizes:
        return {}
    goal = max(sizes.values()) if section.to == "largest" else min(sizes.values())
    return {group: goal / size for group, size in sizes.items()}


def _copies(
    rows: Iterator[tuple[int, int, int, object]],
    factors: Mapping[int, float],
    groups: Mapping[object, float],
    cap: int | None,
) -> Iterator[tuple[int, int]]:
    seen: Counter[object] = Counter()
    for at, draw, origin, group in rows:
        wanted = factors.get(origin, 1.0) * groups.get(group, 1.0)
        # The lower bits of the draw: the upper ones have decided the order already.
        copies = int(wanted) + ((draw & 0xFFFFFFFF) / 2**32 < wanted % 1)
        if cap is not None:
            copies = min(copies, cap - seen[group])
            seen[group] += copies
        yield at, copies
