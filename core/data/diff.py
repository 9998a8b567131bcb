"""How two dataset artifacts differ: rows, sources, tokens, steps, settings.

Rows are compared by what they say. Nine bytes are held for each row, so that millions fit.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.rows import shorten
from core.models.dataset import SPLITS, Row
from tunery.errors import BrokenIntegrity, NotThere
from tunery.files import read_json

if TYPE_CHECKING:
    import numpy as np

    Keys = np.ndarray[Any, np.dtype[np.uint64]]
    Codes = np.ndarray[Any, np.dtype[np.uint8]]

EXAMPLES = 3


@dataclass(frozen=True)
class Change:
    """One figure on both sides; None where a side has none."""

    name: str
    a: Any
    b: Any


@dataclass(frozen=True)
class ShownRow:
    """A row that one side has and the other has not, or has in another split."""

    change: str
    split: str
    source: str
    line: int
    text: str


@dataclass(frozen=True)
class DatasetDiff:
    """`added` rows are only in B, `removed` ones only in A; `moved` stand in another split in B.

    A row that stands n times more in B counts n times as added. `splits`, `sources`,
    `tasks` count rows; `tokens` are those of all splits; `steps` are rows after each.
    `settings` are recipe keys that differ, with both values; None where those of one
    side are not known.
    """

    added: int
    removed: int
    moved: int
    kept: int
    splits: tuple[Change, ...]
    sources: tuple[Change, ...]
    tasks: tuple[Change, ...]
    tokens: tuple[Change, ...]
    steps: tuple[Change, ...]
    settings: tuple[Change, ...] | None
    examples: tuple[ShownRow, ...]

    @property
    def same_rows(self) -> bool:
        """Whether both hold the same rows in the same splits."""
        return not (self.added or self.removed or self.moved)

    def to_json(self) -> dict[str, Any]:
        return {"same_rows": self.same_rows, **asdict(self)}


def diff_datasets(
    a: Path, b: Path, settings_a: Mapping[str, Any], settings_b: Mapping[str, Any]
) -> DatasetDiff:
    """Compare two artifact folders. Settings map dotted recipe keys to values, and are empty where unknown.

    Raises NotThere when a folder holds no dataset.
    """
    import numpy as np

    left, right = _read(a), _read(b)
    ids, counts_left, counts_right = _align(left.ids, right.ids)
    both = ids[(counts_left > 0) & (counts_right > 0)]
    moved = both[_split_of(both, left) != _split_of(both, right)]
    shown = [
        *_shown("removed", a, left, ids[counts_left > counts_right]),
        *_shown("added", b, right, ids[counts_right > counts_left]),
        *_shown("moved", b, right, moved),
    ]
    report_a, report_b = read_json(a / "report.json"), read_json(b / "report.json")
    return DatasetDiff(
        added=int(np.maximum(counts_right - counts_left, 0).sum()),
        removed=int(np.maximum(counts_left - counts_right, 0).sum()),
        moved=len(moved),
        kept=int(np.minimum(counts_left, counts_right).sum()),
        splits=_counts(left.splits, right.splits, SPLITS),
        sources=_counts(left.sources, right.sources),
        tasks=_counts(left.tasks, right.tasks),
        tokens=_changes(_tokens(report_a), _tokens(report_b)),
        steps=_changes(_steps(report_a), _steps(report_b)),
        settings=_settings(settings_a, settings_b),
        examples=tuple(shown),
    )


@dataclass(frozen=True)
class _Side:
    """One dataset's rows: 64-bit ids and split numbers in the order of the files, and counts."""

    ids: Keys
    codes: Codes
    splits: Counter[str]
    sources: Counter[str]
    tasks: Counter[str]


def _read(folder: Path) -> _Side:
    import numpy as np

    if not (folder / "report.json").is_file():
        raise NotThere(f"{folder} holds no dataset; name a run whose prepare step is done")
    splits, sources, tasks = Counter[str](), Counter[str](), Counter[str]()

    def facts() -> Iterator[tuple[int, int]]:
        for code, split in enumerate(SPLITS):
            for value in _lines(folder / f"{split}.jsonl"):
                splits[split] += 1
                sources[value["source"]] += 1
                if value.get("task"):
                    tasks[value["task"]] += 1
                yield int(value["id"], 16), code

    table = np.fromiter(facts(), dtype=[("id", "<u8"), ("split", "u1")])
    return _Side(table["id"], table["split"], splits, sources, tasks)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with open(path, encoding="utf-8") as handle:
        for number, line in enumerate(handle, 1):
            try:
                value = json.loads(line)
            except ValueError as error:
                raise BrokenIntegrity(
                    f"{path} line {number} is not what was written ({error}); run the prepare step again"
                ) from None
            yield value


def _align(left: Keys, right: Keys) -> tuple[Keys, Any, Any]:
    """Every id of both, and how often each side has it."""
    import numpy as np

    ids = np.union1d(left, right)
    counts = []
    for side in (left, right):
        found, times = np.unique(side, return_counts=True)
        of_all = np.zeros(len(ids), dtype=np.int64)
        of_all[np.searchsorted(ids, found)] = times
        counts.append(of_all)
    return ids, counts[0], counts[1]


def _split_of(ids: Keys, side: _Side) -> Codes:
    """The split in which each id stands first."""
    import numpy as np

    found, first = np.unique(side.ids, return_index=True)
    codes: Codes = side.codes[first[np.searchsorted(found, ids)]]
    return codes


def _shown(change: str, folder: Path, side: _Side, ids: Keys) -> Iterator[ShownRow]:
    """The first rows of `side` that have one of `ids`."""
    import numpy as np

    wanted, begin = np.flatnonzero(np.isin(side.ids, ids))[:EXAMPLES].tolist(), 0
    for split in SPLITS:
        end = begin + side.splits[split]
        for at in (at for at in wanted if begin <= at < end):
            value = next(islice(_lines(folder / f"{split}.jsonl"), at - begin, None))
            turns = Row.from_json(value).example.turns()
            text = next((turn.content for turn in turns if turn.role != "system"), "")
            yield ShownRow(change, split, value["source"], value["line"], shorten(text))
        begin = end


def _counts(a: Counter[str], b: Counter[str], names: tuple[str, ...] = ()) -> tuple[Change, ...]:
    return tuple(Change(name, a[name], b[name]) for name in dict.fromkeys((*names, *a, *b)))


def _changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[Change, ...]:
    return tuple(Change(name, a.get(name), b.get(name)) for name in dict.fromkeys((*a, *b)))


def _settings(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[Change, ...] | None:
    if not (a and b):
        return None
    return tuple(change for change in _changes(a, b) if change.a != change.b)


def _tokens(report: Mapping[str, Any]) -> dict[str, Any]:
    tokens = report.get("tokens") or {}
    return {name: tokens.get(name) for name in ("trained", "context")}


def _steps(report: Mapping[str, Any]) -> dict[str, Any]:
    return {step["step"]: step["rows_out"] for step in report.get("steps") or ()}
