"""What is done to one row by itself: convert, check, clean, lint, sketch. Runs in the crew's processes."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.data.check import check_example
from core.data.clean.cleaner import Cleaner
from core.data.generate.state import GENERATED_KEYS, REJECTED, is_generated, state_problem
from core.data.layouts import group_of, ignored_keys, layout_named, to_example
from core.data.ledger import Entry, signed
from core.data.lint.look import KNOWN_CONTROLS, Linter
from core.data.rows import Place, Problem, RawRow, Unit, printable
from core.models.dataset import Row
from core.models.examples import (
    Conversation,
    Example,
    Labelled,
    PlainText,
    Preference,
    Turns,
    Unpaired,
    example_id,
    prompt_of,
)
from core.recipe.data import Clean
from serve.chat import Message
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
    did and `changed` the rows it did it to, `ignored` the rows that have a key nobody
    reads. `columns` are those of the recipe's mapped columns that some row has.
    """

    source: int
    read: int
    entries: list[Entry] = field(default_factory=list)
    sketches: list[bytes] = field(default_factory=list)
    bad: list[tuple[Problem, str]] = field(default_factory=list)
    dropped: list[tuple[int, str, str]] = field(default_factory=list)
    changed: int = 0
    columns: set[str] = field(default_factory=set)
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
        self._redact = _redaction(setup.clean)
        self._cleaner = Cleaner(setup.clean, self._redact)
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
        layout = layout_named(batch.layout)
        number = raw.place.number
        unread = state_problem(raw)
        if unread is not None and unread.code == REJECTED:
            out.dropped.append((number, REJECTED, self._kept(raw)))
            return None
        if unread is not None:
            out.bad.append((unread, self._kept(raw)))
            return None
        example = to_example(raw, layout, batch.columns)
        if isinstance(example, Problem):
            out.bad.append((example, self._kept(raw)))
            return None
        problem = check_example(example, raw.place)
        # Cleaning drops or trims what ends with a question, unless the recipe says to refuse it.
        curable = problem is not None and problem.code == "unanswered"
        if problem is not None and not (curable and self._setup.clean.unanswered != "refuse"):
            out.bad.append((problem, self._kept(raw)))
            return None
        known = GENERATED_KEYS if is_generated(raw) else frozenset()
        out.columns.update(ours for ours, theirs in batch.columns.items() if theirs in raw.value)
        for key in sorted(ignored_keys(raw, layout, batch.columns) - known - {batch.columns.get("label")}):
            out.ignored[key] += 1
            out.ignored_at.setdefault(key, number)
        cleaned = self._cleaner.clean(example)
        if cleaned.example is None:
            out.dropped.append((number, str(cleaned.reason), self._kept(raw)))
            return None
        if problem is not None or cleaned.changes:
            out.changes.update(cleaned.changes)
            out.changed += bool(cleaned.changes)
            problem = check_example(cleaned.example, raw.place)
            if problem is not None:
                out.bad.append((problem, self._kept(raw)))
                return None
        return cleaned.example

    def _kept(self, raw: RawRow) -> str:
        """A row that is left out, as JSON for the side file; private where the recipe asks for that."""
        value = raw.value if self._redact is None else _redacted(raw.value, self._redact)
        return json.dumps(value, default=str)


def _redacted(value: Any, redact: Callable[[Example], tuple[Example, Counter[str]]]) -> Any:
    """The value with personal data in all its texts replaced, whatever shape it has."""
    if isinstance(value, str):
        changed, _ = redact(PlainText(value))
        return changed.text if isinstance(changed, PlainText) else value
    if isinstance(value, Mapping):
        return {key: _redacted(item, redact) for key, item in value.items()}
    return [_redacted(item, redact) for item in value] if isinstance(value, list) else value


def said(example: Example) -> str:
    """The text by which near-duplicates are found; system turns are often one and the same."""
    return "\n".join(text for turn in example.turns() if turn.role != "system" for text in _words(turn))


def _words(turn: Message) -> Iterator[str]:
    yield turn.content
    for call in turn.tool_calls:
        yield f"{call.name} {json.dumps(call.arguments, sort_keys=True, ensure_ascii=False)}"


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
        prompt=signed(sha256_json([[turn.to_dict() for turn in asked], _tools(row.example)])),
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
    return None if named is None else printable(str(named))


def _tools(example: Example) -> list[Any]:
    return list(example.tools) if isinstance(example, Conversation) else []


def _redaction(clean: Clean) -> Callable[[Example], tuple[Example, Counter[str]]] | None:
    if not clean.redact:
        return None
    from core.data.privacy.redactor import Redactor

    return Redactor(clean.redact).redact


def _sketching() -> Callable[[list[str]], list[bytes]]:
    from core.data.similar.sketch import Sketcher

    return Sketcher().sketch
