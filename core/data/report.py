"""What is known about the data, in the shape that `tunery data inspect --json` prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from core.data.rows import Problem, printable
from tunery.errors import DataError, Stopped

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Example:
    """A row that shows a finding: its line (or row of a table), and a sentence or its text."""

    line: int
    text: str


@dataclass(frozen=True)
class Finding:
    """Something to know about a file: how often, where for example, and what to do.

    An "error" keeps the run from starting, a "warning" is worth a look.
    """

    code: str
    severity: Severity
    count: int
    examples: tuple[Example, ...]
    fix: str

    def to_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "severity": self.severity,
            "count": self.count,
            "examples": [{"line": item.line, "text": printable(item.text)} for item in self.examples],
            "fix": self.fix,
        }


@dataclass(frozen=True)
class Tokens:
    """Token counts of rendered rows.

    `trained` tokens carry loss, `context` tokens are only read; `lengths` are the
    quantiles p50, p90, p99 and the maximum of tokens a row; `max_length` is the limit.
    """

    trained: int
    context: int
    max_length: int
    lengths: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


# What is printed where nothing was tokenized.
NO_TOKENS: dict[str, Any] = {"trained": None, "context": None, "max_length": None, "lengths": None}


@dataclass(frozen=True)
class SourceReport:
    """One file. `format` is the layout of its rows; `detected` says that it was found by looking.

    `rows` were read, `usable` of them can be trained on as they are. `sha256` and `bytes`
    are the file's own, None for a folder of tables.
    """

    path: str
    format: str
    file_format: str
    detected: bool
    rows: int
    usable: int
    findings: tuple[Finding, ...]
    task: str | None = None
    sha256: str | None = None
    bytes: int | None = None
    tokens: Tokens | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "format": self.format,
            "file_format": self.file_format,
            "detected": self.detected,
            "rows": self.rows,
            "usable": self.usable,
            "task": self.task,
            "sha256": self.sha256,
            "bytes": self.bytes,
            "findings": [finding.to_json() for finding in self.findings],
            "tokens": self.tokens.to_json() if self.tokens else NO_TOKENS,
        }


@dataclass(frozen=True)
class StepCount:
    """One thing that was done to the rows: how many went in and came out, and how many it changed."""

    step: str
    rows_in: int
    rows_out: int
    changed: int
    about: str


@dataclass(frozen=True)
class Lengths:
    """A histogram of row lengths. `counts[i]` rows are from `edges[i]` to below `edges[i + 1]` units long."""

    unit: Literal["characters", "tokens"]
    edges: tuple[int, ...]
    counts: tuple[int, ...]


NO_LENGTHS = Lengths("characters", (0,), ())


@dataclass(frozen=True)
class DataReport:
    """All files of a recipe's data section.

    `bad` rows cannot be used, and `first_bad` is the first of them; with the policy "drop"
    they are left out, and `refused` is False. `dropped` counts rows that were left out by
    reason, `tasks` and `labels` the usable rows, `proof` is what was shown about stop tokens.
    """

    sources: tuple[SourceReport, ...]
    bad: int = 0
    first_bad: Problem | None = None
    refused: bool = False
    splits: dict[str, dict[str, Any]] = field(default_factory=dict)
    steps: tuple[StepCount, ...] = ()
    dropped: dict[str, int] = field(default_factory=dict)
    tasks: dict[str, int] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    lengths: Lengths = NO_LENGTHS
    tokens: Tokens | None = None
    by_task: dict[str, dict[str, int]] = field(default_factory=dict)
    proof: dict[str, Any] | None = None

    @property
    def rows(self) -> int:
        return sum(source.rows for source in self.sources)

    @property
    def usable(self) -> int:
        return sum(source.usable for source in self.sources)

    def refuse_bad_rows(self) -> None:
        """Raise DataError that names the first row that cannot be used, and counts the others."""
        if self.refused and self.first_bad is not None:
            raise DataError(refusal(self.first_bad, self.bad))

    def to_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "usable": self.usable,
            "sources": [source.to_json() for source in self.sources],
            "splits": self.splits,
            "steps": [asdict(step) for step in self.steps],
            "dropped": self.dropped,
            "tasks": self.tasks,
            "labels": self.labels,
            "lengths": asdict(self.lengths),
            "tokens": self.tokens.to_json() if self.tokens else NO_TOKENS,
            "tokens_by_task": self.by_task,
            "proof": self.proof,
        }


def refusal(first: Problem, count: int) -> str:
    """The sentence that names the first bad row of `count`."""
    more = count - 1
    others = "" if not more else f" (and {more} more row{'s' if more > 1 else ''} cannot be used)"
    return f"{first}{others}"


def stopped() -> Stopped:
    """What the prepare step raises when a person asked it to stop."""
    return Stopped("prepare was stopped before it was done; `tunery resume` begins it again")


def histogram(lengths: Sequence[tuple[int, int]], unit: Literal["characters", "tokens"]) -> Lengths:
    """`lengths` are (length, rows), ascending. Edges grow by powers of two, so long tails stay readable."""
    if not lengths:
        return NO_LENGTHS
    edges = [0, 16]
    while edges[-1] <= lengths[-1][0]:
        edges.append(edges[-1] * 2)
    counts = [0] * (len(edges) - 1)
    place = 0
    for length, rows in lengths:
        while length >= edges[place + 1]:
            place += 1
        counts[place] += rows
    return Lengths(unit, tuple(edges), tuple(counts))
