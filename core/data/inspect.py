"""Read and check what the recipe's data section names, without a model: light enough for `tunery check`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from core.data.check import check_conversation
from core.data.layouts import LAYOUTS, Layout, detect_layout, ignored_keys, to_messages
from core.data.read import file_format, read_rows
from core.data.report import (
    DataReport,
    Finding,
    SourceReport,
    duplicate_finding,
    ignored_finding,
    problem_findings,
)
from core.data.rows import Place, Problem, RawRow, refuse
from core.data.split import split_rows
from core.models.dataset import Row
from core.models.examples import Conversation, example_id
from core.recipe.data import DataSection, DataSource, TestFile
from serve.chat import Message
from tunery.errors import DataError


@dataclass(frozen=True)
class SourceRows:
    """What one file holds. `places` belong to `rows`, one each; `rows_read` counts the bad ones too."""

    path: str
    format: str
    file_format: str
    detected: bool
    rows_read: int
    rows: list[Row]
    places: list[Place]
    problems: list[Problem]
    notes: list[Finding]

    def report(self) -> SourceReport:
        findings = (*problem_findings(self.problems), *self.notes)
        return SourceReport(
            self.path, self.format, self.file_format, self.detected, self.rows_read, len(self.rows), findings
        )


def inspect_sources(section: DataSection, recipe_folder: Path) -> DataReport:
    """Every file of the section: rows, usable rows, findings, sizes of the splits; no tokens.

    Raises DataError where a file as a whole cannot be used, or a split would be empty.
    Bad rows are findings; ask the report to `refuse_bad_rows`. No model is loaded.
    """
    sources = read_sources(section, recipe_folder)
    problems = tuple(problem for source in sources for problem in source.problems)
    splits = {} if problems else divide(section, sources)
    sizes = {name: {"rows": len(rows)} for name, rows in splits.items()}
    return DataReport(tuple(source.report() for source in sources), problems, sizes)


def read_sources(section: DataSection, recipe_folder: Path) -> list[SourceRows]:
    """The sources in order, and the test file last where the section names one."""
    seen: dict[str, Row] = {}
    names: set[str] = set()
    sources = []
    for source in section.sources:
        gathered = read_source(source, recipe_folder, _name(source.path, names), seen)
        sources.append(gathered)
    if isinstance(section.split.test, TestFile):
        test = read_source(section.split.test, recipe_folder, _name(section.split.test.path, names), {})
        sources.append(replace(test, problems=[*test.problems, *_leaks(test, seen)]))
    return sources


def divide(section: DataSection, sources: Sequence[SourceRows]) -> dict[str, list[Row]]:
    """All rows by split name; a test file's rows are the test split, in their order."""
    split = section.split
    if not isinstance(split.test, TestFile):
        rows = [row for source in sources for row in source.rows]
        return split_rows(rows, validation=split.validation, test=split.test, seed=split.seed)
    *training, given = sources
    rows = [row for source in training for row in source.rows]
    splits = split_rows(rows, validation=split.validation, test=0.0, seed=split.seed)
    return {**splits, "test": given.rows}


def read_source(
    source: DataSource | TestFile, recipe_folder: Path, shown: str, seen: dict[str, Row]
) -> SourceRows:
    """One file, its rows converted to messages and checked word by word.

    `shown` is the file's name in messages and rows. `seen` holds the first row of each
    id, over all files read so far, and is added to.
    """
    path = recipe_folder / Path(source.path).expanduser()
    gathered = _Gathered(None if source.format == "auto" else LAYOUTS[source.format], seen)
    for row in read_rows(path, shown):
        gathered.take(row)
    if gathered.layout is None:
        refuse(gathered.problems)
        raise DataError(f"{shown} holds no rows; add conversations, or remove it from the recipe")
    return SourceRows(
        path=source.path,
        format=gathered.layout.name,
        file_format=file_format(path, shown),
        detected=source.format == "auto",
        rows_read=gathered.read,
        rows=gathered.rows,
        places=gathered.places,
        problems=gathered.problems,
        notes=[
            *duplicate_finding(gathered.repeated),
            *ignored_finding(gathered.ignored, gathered.first_lines),
        ],
    )


def _name(path: str, taken: set[str]) -> str:
    """What the file is called in rows: as in the recipe, but without the folders of this machine; unique."""
    known = Path(path).expanduser()
    plain = known.name if known.is_absolute() else path
    name = next(name for n in count(1) if (name := plain if n == 1 else f"{plain} ({n})") not in taken)
    taken.add(name)
    return name


def _leaks(test: SourceRows, trained: dict[str, Row]) -> list[Problem]:
    """Test rows that are training rows as well, word for word."""
    return [
        Problem(
            "leak",
            place,
            f"this test row stands word for word in {trained[row.id].source}, number {trained[row.id].line}",
            "remove it from one of them, since a test must not be trained on",
        )
        for row, place in zip(test.rows, test.places, strict=True)
        if row.id in trained
    ]


class _Gathered:
    """Sorts the rows of one file into usable ones and problems, in one pass."""

    def __init__(self, layout: Layout | None, seen: dict[str, Row]) -> None:
        self.layout = layout
        self.read = 0
        self.rows: list[Row] = []
        self.places: list[Place] = []
        self.problems: list[Problem] = []
        self.repeated: list[Row] = []
        self.ignored: Counter[str] = Counter()
        self.first_lines: dict[str, int] = {}
        self._seen = seen

    def take(self, row: RawRow | Problem) -> None:
        self.read += 1
        if isinstance(row, Problem):
            self.problems.append(row)
            return
        if self.layout is None:
            self.layout = detect_layout(row)
        messages = _conversation(row, self.layout)
        if isinstance(messages, Problem):
            self.problems.append(messages)
            return
        self._keep(messages, row.place)
        for key in ignored_keys(row, self.layout):
            self.ignored[key] += 1
            self.first_lines.setdefault(key, row.place.number)

    def _keep(self, messages: tuple[Message, ...], place: Place) -> None:
        example = Conversation(messages)
        row = Row(example_id(example), place.file, place.number, example)
        if self._seen.setdefault(row.id, row) is not row:
            self.repeated.append(row)
        self.rows.append(row)
        self.places.append(place)


def _conversation(row: RawRow, layout: Layout) -> tuple[Message, ...] | Problem:
    messages = to_messages(row, layout)
    if isinstance(messages, Problem):
        return messages
    return check_conversation(messages, row.place) or messages
