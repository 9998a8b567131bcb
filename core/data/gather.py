"""From the recipe's sources to the ledger: every row is read once, examined by the crew, kept in order."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from core.data.crew import Crew, cores
from core.data.examine import EXAMPLES, Examination, Examined, RawBatch, examiner
from core.data.layouts import EARLIER_ROWS, LAYOUTS, Layout, detect_layout
from core.data.ledger import Ledger
from core.data.reading.files import SourceFile, find_files
from core.data.reading.rows import read_rows
from core.data.report import refusal, stopped
from core.data.rows import Problem, RawRow, Unit, printable
from core.models.dataset import is_dataset_rows
from core.models.examples import Kind
from core.recipe.data import DataSection, DataSource, TestFile
from core.workspace.events import Emit, Log, Progress
from tunery.errors import DataError

if TYPE_CHECKING:
    from core.data.similar.near import NearDuplicates

# "pool" rows are divided by the split, "test" rows are the recipe's own test file, "replay"
# rows are an earlier run's.
Role = Literal["pool", "test", "replay"]

BATCH_ROWS = 200
BATCH_BYTES = 2**20
# Below this many bytes, starting processes costs more than they save.
ALONE_BYTES = 3 * 2**20
PROGRESS_SECONDS = 1.0


@dataclass(frozen=True)
class Wanted:
    """One file of one source. `origin` is the source's position in the recipe, -1 where it has none."""

    file: SourceFile
    source: DataSource | TestFile
    role: Role
    origin: int

    @property
    def bytes(self) -> int:
        """Size of the file, or of all files of a folder of tables."""
        path = self.file.path
        files = [path] if path.is_file() else [item for item in path.rglob("*") if item.is_file()]
        return sum(item.stat().st_size for item in files)


@dataclass
class FileFacts:
    """What was found in one file, as its rows came by.

    `bad` counts rows that cannot be used by code, `dropped` those that the recipe does not
    want, `seen` what is odd, `changed` what cleaning changed. `shown` has a few examples
    (line, text) of each code.
    """

    wanted: Wanted
    layout: Layout | None = None
    read: int = 0
    usable: int = 0
    bad: Counter[str] = field(default_factory=Counter)
    fixes: dict[str, str] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    ignored_at: dict[str, int] = field(default_factory=dict)
    shown: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    first_bad: Problem | None = None
    pairs: int = 0
    longer: int = 0
    changed_rows: int = 0
    columns: set[str] = field(default_factory=set)
    expected: float = 0.0
    unit: Unit = "line"

    @property
    def kind(self) -> Kind | None:
        """What the rows are; None for a file without a row that could be read."""
        return None if self.layout is None else self.layout.kind

    def show(self, code: str, line: int, text: str) -> bool:
        """Keep an example of a code unless there are enough; True for the first."""
        known = self.shown.setdefault(code, [])
        if len(known) < EXAMPLES:
            known.append((line, text))
        return len(known) == 1


def find_wanted(section: DataSection, recipe_folder: Path) -> list[Wanted]:
    """The files of all sources in order, then the test file's, then those of an earlier run."""
    taken: set[str] = set()
    found: list[Wanted] = []

    def look(source: DataSource | TestFile, role: Role, origin: int) -> None:
        files = find_files(source.path, recipe_folder, taken)
        found.extend(Wanted(file, source, role, origin) for file in files)

    for origin, source in enumerate(section.sources):
        look(source, "pool", origin)
    if isinstance(section.split.test, TestFile):
        look(section.split.test, "test", -1)
    if section.replay is not None:
        look(DataSource(path=section.replay.run), "replay", -1)
    return found


class Gathering:
    """Reads the files of a data section into `ledger`, and what near-duplicates need into `near`."""

    def __init__(
        self,
        section: DataSection,
        wanted: list[Wanted],
        ledger: Ledger,
        near: NearDuplicates | None,
        emit: Emit,
        stop_requested: Callable[[], bool],
    ) -> None:
        self.facts = [FileFacts(item) for item in wanted]
        self._section = section
        self._ledger = ledger
        self._near = near
        self._emit = emit
        self._stop_requested = stop_requested
        self._told = 0.0
        self._began = time.monotonic()
        self._bytes = sum(item.bytes for item in wanted)

    def gather(self, controls: tuple[str, ...] | None = None) -> list[FileFacts]:
        """Read everything. `controls` are the control tokens of the model's template, where it is known.

        Raises DataError where a file as a whole cannot be used, Stopped when asked to stop.
        """
        setup = Examination(self._section.clean, self._section.split.seed, sketch=self._near is not None)
        if controls is not None:
            setup = replace(setup, controls=controls)
        size = 0 if self._bytes < ALONE_BYTES else cores()
        with Crew(examiner, setup, size) as crew:
            for examined in crew.map(self._batches()):
                self._take(examined)
        for facts in self.facts:
            if facts.layout is None and not self._may_be_empty():
                self._refuse_without_rows(facts)
        self._progress(final=True)
        return self.facts

    def _batches(self) -> Iterator[RawBatch]:
        for number, facts in enumerate(self.facts):
            batch: list[RawRow] = []
            size = 0
            for row in read_rows(facts.wanted.file):
                if isinstance(row, Problem):
                    facts.read += 1
                    self._take_bad(facts, row, None)
                    continue
                if facts.layout is None:
                    facts.layout = self._layout_of(row, facts.wanted)
                batch.append(row)
                size += _size(row.value)
                if len(batch) == BATCH_ROWS or size > BATCH_BYTES:
                    yield self._batch(number, facts, batch)
                    batch, size = [], 0
            if batch:
                yield self._batch(number, facts, batch)

    def _batch(self, number: int, facts: FileFacts, rows: list[RawRow]) -> RawBatch:
        if facts.layout is None:
            raise ValueError(f"no row of {facts.wanted.file.shown} was read yet")
        if not facts.expected:
            # Nobody knows the count before the end: it is guessed from the size of the first rows.
            size = sum(len(json.dumps(row.value, default=str)) for row in rows) / len(rows)
            facts.expected = facts.wanted.bytes / max(size, 1.0)
        source = facts.wanted.source
        facts.unit = rows[0].place.unit
        return RawBatch(
            source=number,
            role=facts.wanted.role,
            file=facts.wanted.file.shown,
            unit=facts.unit,
            layout=facts.layout.name,
            columns=_columns(source),
            task=source.task if isinstance(source, DataSource) else None,
            rows=[(row.place.number, row.value) for row in rows],
        )

    def _layout_of(self, row: RawRow, wanted: Wanted) -> Layout:
        source = wanted.source
        if is_dataset_rows(wanted.file.path):
            return EARLIER_ROWS
        return detect_layout(row, _columns(source)) if source.format == "auto" else LAYOUTS[source.format]

    def _take(self, examined: Examined) -> None:
        """Write down what came of a batch, and tell what is new."""
        if self._stop_requested():
            raise stopped()
        facts = self.facts[examined.source]
        facts.read += examined.read
        facts.usable += len(examined.entries)
        self._ledger.add(examined.entries)
        if self._near is not None:
            for sketch in examined.sketches:
                self._near.add(sketch)
        for problem, row in examined.bad:
            self._take_bad(facts, problem, row)
        file = facts.wanted.file.shown
        for line, reason, row in examined.dropped:
            facts.dropped[reason] += 1
            self._ledger.leave_out(file, line, reason, "", row)
        facts.seen.update(examined.seen)
        facts.changed.update(examined.changes)
        facts.ignored.update(examined.ignored)
        facts.changed_rows += examined.changed
        facts.columns |= examined.columns
        facts.pairs += examined.pairs
        facts.longer += examined.longer
        for key, line in examined.ignored_at.items():
            facts.ignored_at.setdefault(key, line)
        for code, line, text in examined.shown:
            if facts.show(code, line, text):
                self._emit(Log(text=f"{file} line {line}: {code.replace('_', ' ')}: {text}"))
        self._progress()

    def _take_bad(self, facts: FileFacts, problem: Problem, row: str | None) -> None:
        facts.bad[problem.code] += 1
        facts.fixes.setdefault(problem.code, problem.fix)
        if facts.first_bad is None or problem.place < facts.first_bad.place:
            facts.first_bad = problem
        if self._section.clean.bad_rows == "drop":
            place = problem.place
            self._ledger.leave_out(place.file, place.number, problem.code, printable(problem.what), row)
        if facts.show(problem.code, problem.place.number, problem.what):
            self._emit(Log(text=str(problem)))

    def _may_be_empty(self) -> bool:
        """Whether a file without a single row does no harm: others have rows, and bad ones are dropped."""
        others = any(facts.layout is not None for facts in self.facts)
        return others and self._section.clean.bad_rows == "drop"

    def _refuse_without_rows(self, facts: FileFacts) -> None:
        shown = facts.wanted.file.shown
        if facts.first_bad is not None:
            raise DataError(refusal(facts.first_bad, sum(facts.bad.values())))
        raise DataError(f"{shown} holds no rows; add some, or remove it from the recipe")

    def _progress(self, final: bool = False) -> None:
        now = time.monotonic()
        if not final and now - self._told < PROGRESS_SECONDS:
            return
        self._told = now
        done = sum(facts.read for facts in self.facts)
        expected = done if final else max(done, int(sum(facts.expected for facts in self.facts)))
        eta = (now - self._began) / done * (expected - done) if done else None
        self._emit(Progress(what="rows read", done=done, of=expected, eta=eta))


def _columns(source: DataSource | TestFile) -> dict[str, str]:
    return {str(ours): theirs for ours, theirs in source.columns.items()}


def _size(value: object, depth: int = 0) -> int:
    """Characters in a row, roughly."""
    if isinstance(value, str):
        return len(value)
    if depth > 3:
        return 0
    if isinstance(value, Mapping):
        return sum(_size(item, depth + 1) for item in value.values())
    return sum(_size(item, depth + 1) for item in value) if isinstance(value, list) else 8
