"""What is done to one row by itself: convert, check, clean, lint, sketch. Runs in the crew's processes."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.data.check import check_example
from core.data.clean.cleaner import Cleaner
from core.data.generate.state import GENERATED_KEYS, REJECTED, is_generated, state_problem
from core.data.layouts import LAYOUTS, group_of, ignored_keys, to_example
from core.data.ledger import Entry, signed
from core.data.lint.look import KNOWN_CONTROLS, Linter
from core.data.rows import Place, Problem, RawRow, Unit
from core.models.dataset import Row
from core.models.examples import Example, Labelled, Preference, Turns, Unpaired, example_id, prompt_of
from core.recipe.data import Clean
from tunery.hashes import sha256_json

# Examples of one kind of finding that a batch sends home.
EXAMPLES = 3


@dataclass(frozen=True)
class Examination:
    """What the crew is told once. `seed` is the split's; `sketch` says whether near-duplicates matter."""

    clean: Clean
    seed: int
    sketch: bool
    controls: tuple[str, ...] = KNOWN_CONTROLS


@dataclass(frozen=True)
class RawBatch:
    """Rows of one file. `rows` are their numbers (lines, or rows of a table) and values."""

    source: int
    role: str
    file: str
    unit: Unit
    layout: str
    columns: Mapping[str, str]
    task: str | None
    rows: list[tuple[int, Mapping[str, Any]]]


@dataclass
class Examined:
    """What came of a batch.

    Of `pairs` of a chosen and a rejected answer, `longer` have the longer one chosen.
    `entries` and `sketches` belong together. `bad` are rows that cannot be used, `dropped`
    those that the recipe does not want: number, reason, the row as read. `seen` counts
    what is odd by code, `shown` has the first few of each; `changes` counts what cleaning
    changed, `ignored` the rows that have a key nobody reads.
    """

    source: int
    read: int
    entries: list[Entry] = field(default_factory=list)
    sketches: list[bytes] = field(default_factory=list)
    bad: list[tuple[Problem, str]] = field(default_factory=list)
    dropped: list[tuple[int, str, str]] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    shown: list[tuple[str, int, str]] = field(default_factory=list)
    changes: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    ignored_at: dict[str, int] = field(default_factory=dict)
    pairs: int = 0
    longer: int = 0


def examiner(setup: Examination) -> Callable[[RawBatch], Examined]:
    """What a process of the crew does to each batch."""
    return _Examiner(setup).examine


class _Examiner:
    def __init__(self, setup: Examination) -> None:
        self._setup = setup
        self._linter = Linter(setup.controls)
        self._cleaner = Cleaner(setup.clean, _redaction(setup.clean))
        self._sketch = _sketching() if setup.sketch else None

    def examine(self, batch: RawBatch) -> Examined:
        out = Examined(batch.source, len(batch.rows))
        texts = []
        for number, value in batch.rows:
            place = Place(batch.file, number, batch.unit)
            example = self._usable(RawRow(place, value), batch, out)
            if example is None:
                continue
            for seen in self._linter.look(example):
                out.seen[seen.code] += 1
                if out.seen[seen.code] <= EXAMPLES:
                    out.shown.append((seen.code, number, seen.text))
            if isinstance(example, Preference):
                out.pairs += 1
                out.longer += _length(example.chosen) > _length(example.rejected)
            row = Row(example_id(example), batch.file, number, example, _task(value, batch))
            out.entries.append(_entry(row, batch, value, self._setup.seed))
            texts.append(said(example))
        if self._sketch is not None and texts:
            out.sketches = self._sketch(texts)
        return out

    def _usable(self, raw: RawRow, batch: RawBatch, out: Examined) -> Example | None:
        """The row as it will be trained on; None when it is bad or not wanted, which is noted."""
        layout = LAYOUTS[batch.layout]
        number = raw.place.number
        unread = state_problem(raw)
        if unread is not None and unread.code == REJECTED:
            out.dropped.append((number, REJECTED, _as_text(raw.value)))
            return None
        if unread is not None:
            out.bad.append((unread, _as_text(raw.value)))
            return None
        example = to_example(raw, layout, batch.columns)
        if isinstance(example, Problem):
            out.bad.append((example, _as_text(raw.value)))
            return None
        problem = check_example(example, raw.place)
        # Cleaning drops or trims what ends with a question, unless the recipe says to refuse it.
        curable = problem is not None and problem.code == "unanswered"
        if problem is not None and not (curable and self._setup.clean.unanswered != "refuse"):
            out.bad.append((problem, _as_text(raw.value)))
            return None
        known = GENERATED_KEYS if is_generated(raw) else frozenset()
        for key in ignored_keys(raw, layout, batch.columns) - known:
            out.ignored[key] += 1
            out.ignored_at.setdefault(key, number)
        cleaned = self._cleaner.clean(example)
        if cleaned.example is None:
            out.dropped.append((number, str(cleaned.reason), _as_text(raw.value)))
            return None
        if problem is not None or cleaned.changes:
            out.changes.update(cleaned.changes)
            problem = check_example(cleaned.example, raw.place)
            if problem is not None:
                out.bad.append((problem, _as_text(raw.value)))
                return None
        return cleaned.example


def said(example: Example) -> str:
    """The text by which near-duplicates are found; system turns are often one and the same."""
    return "\n".join(turn.content for turn in example.turns() if turn.role != "system")


def draw_of(row_id: str, seed: int) -> int:
    """Where a row goes is decided by what it says and the seed: not by its file, its line or the order."""
    return signed(hashlib.sha256(f"{seed} {row_id}".encode()).digest())


def _entry(row: Row, batch: RawBatch, value: Mapping[str, Any], seed: int) -> Entry:
    asked = prompt_of(row.example)
    return Entry(
        source=batch.source,
        role=batch.role,
        line=row.line,
        key=signed(row.id),
        prompt=signed(sha256_json([[turn.role, turn.content] for turn in asked])),
        draw=draw_of(row.id, seed),
        characters=sum(len(turn.content) for turn in row.example.turns()),
        task=row.task,
        label=_label(row.example, value, batch.columns),
        row=json.dumps(row.to_json(), ensure_ascii=False),
    )


def _length(turns: Turns) -> int:
    return sum(len(turn.content) for turn in turns)


def _task(value: Mapping[str, Any], batch: RawBatch) -> str | None:
    return group_of(RawRow(Place(batch.file, 0), value), batch.columns) or batch.task


def _label(example: Example, value: Mapping[str, Any], columns: Mapping[str, str]) -> str | None:
    if isinstance(example, Labelled):
        return " + ".join(example.labels)
    if isinstance(example, Unpaired):
        return "good" if example.good else "bad"
    named = value.get(columns.get("label", ""))
    return None if named is None else str(named)


def _redaction(clean: Clean) -> Callable[[Example], tuple[Example, Counter[str]]] | None:
    if not clean.redact:
        return None
    from core.data.privacy.redactor import Redactor

    return Redactor(clean.redact).redact


def _sketching() -> Callable[[list[str]], list[bytes]]:
    from core.data.similar.sketch import Sketcher

    return Sketcher().sketch


def _as_text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
