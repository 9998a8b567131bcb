"""How often training sees each row: sources' weights, groups of one size, caps, replay.

Only the training rows of `walk` are touched. A row's wanted count need not be whole:
with 0.5, every second row of the order is seen, and of each source at least one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from core.data.ledger import Ledger
from core.recipe.data import Balance, Replay
from tunery.errors import DataError

_COLUMNS = {
    "task": "coalesce(rows.task, '')",
    "label": "coalesce(rows.label, '')",
    "source": "origins.origin",
}
_TRAIN = (
    "FROM walk JOIN rows ON rows.n = walk.n JOIN origins ON origins.source = rows.source "
    "WHERE walk.split = 'train'"
)


@dataclass(frozen=True)
class Balanced:
    """How many rows training sees, how many different ones it never sees, and how many more than once."""

    seen: int
    unseen: int
    repeated: int


def balance_training(
    section: Balance, weights: Mapping[int, float], origins: Sequence[int], ledger: Ledger
) -> Balanced:
    """Set `walk.copies` of the training rows; what that leaves unseen and repeats.

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
    rows = ledger.ask(f"SELECT walk.at, origins.origin, {column} {_TRAIN} ORDER BY walk.at")
    ledger.do_many("INSERT INTO wanted VALUES (?, ?)", _copies(rows, factors, groups, section.cap))
    ledger.do(
        "UPDATE walk SET copies = (SELECT copies FROM wanted WHERE wanted.at = walk.at) "
        "WHERE at IN (SELECT at FROM wanted)"
    )
    counted = "FROM walk WHERE split = 'train' AND copies"
    return Balanced(
        seen=int(ledger.one("SELECT coalesce(sum(copies), 0) FROM walk WHERE split = 'train'")),
        unseen=int(ledger.one(f"SELECT count(*) {counted} = 0")),
        repeated=int(ledger.one(f"SELECT count(*) {counted} > 1")),
    )


def replay_rows(replay: Replay, ledger: Ledger) -> tuple[int, int]:
    """Append rows of the earlier run to the training rows until they are the wanted share.

    Rows that are, or are nearly, held-out rows now are never among them. Returns how many
    were wanted and how many there were.
    """
    training = int(ledger.one("SELECT coalesce(sum(copies), 0) FROM walk WHERE split = 'train'"))
    wanted = round(training * replay.share / (1 - replay.share))
    held = "FROM walk JOIN rows ON rows.n = walk.n WHERE walk.split != 'train'"
    added = ledger.do(
        "INSERT INTO walk (n, split, copies) SELECT n, 'train', 1 FROM rows WHERE role = 'replay' "  # noqa: S608 (only our own text)
        f"AND fate IS NULL AND key NOT IN (SELECT rows.key {held}) "
        f"AND coalesce(lead, n) NOT IN (SELECT coalesce(rows.lead, rows.n) {held}) "
        "ORDER BY draw, key, n LIMIT ?",
        wanted,
    )
    return wanted, added


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
    if section.by is None:
        return {}
    _need_groups(section.by, ledger)
    if section.cap is not None:
        return {}
    column = _COLUMNS[section.by]
    sizes: dict[object, int] = dict(ledger.ask(f"SELECT {column}, count(*) {_TRAIN} GROUP BY {column}"))
    if not sizes:
        return {}
    goal = min(sizes.values()) if section.to == "smallest" else max(sizes.values())
    return {group: goal / size for group, size in sizes.items()}


def _need_groups(by: str, ledger: Ledger) -> None:
    """Raise DataError where no training row says to which group it belongs."""
    if by != "source" and not ledger.one(f"SELECT count(*) {_TRAIN} AND rows.{by} IS NOT NULL"):
        raise DataError(
            f"data.balance.by is {by}, and no row has a {by}; name its column in data.sources[].columns, "
            "or take data.balance out"
        )


def _copies(
    rows: Iterator[tuple[int, int, object]],
    factors: Mapping[int, float],
    groups: Mapping[object, float],
    cap: int | None,
) -> Iterator[tuple[int, int]]:
    seen: Counter[object] = Counter()
    # What is due to each source and group; just below one, so that the first row is always seen.
    due: defaultdict[tuple[int, object], float] = defaultdict(lambda: 1 - 1e-6)
    for at, origin, group in rows:
        wanted = factors.get(origin, 1.0) * groups.get(group, 1.0)
        due[origin, group] += wanted
        copies = int(due[origin, group])
        due[origin, group] -= copies
        if cap is not None:
            copies = min(copies, cap - seen[group])
            seen[group] += copies
        yield at, copies
