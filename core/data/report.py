"""What is known about the data, in the shape that `tunery data inspect --json` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from core.data.rows import Problem, printable, refuse, shorten
from core.models.dataset import Row

Severity = Literal["error", "warning", "note"]
EXAMPLES = 5


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
        examples = [{"line": item.line, "text": item.text} for item in self.examples]
        return {
            "code": self.code,
            "severity": self.severity,
            "count": self.count,
            "examples": examples,
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
        return {
            "trained": self.trained,
            "context": self.context,
            "max_length": self.max_length,
            "lengths": self.lengths,
        }


# What is printed where nothing was tokenized.
NO_TOKENS: dict[str, Any] = {"trained": None, "context": None, "max_length": None, "lengths": None}


@dataclass(frozen=True)
class SourceReport:
    """One file. `format` is the layout of its rows; `detected` says that it was found by looking."""

    path: str
    format: str
    file_format: str
    detected: bool
    rows: int
    usable: int
    findings: tuple[Finding, ...]
    tokens: Tokens | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "format": self.format,
            "file_format": self.file_format,
            "detected": self.detected,
            "rows": self.rows,
            "usable": self.usable,
            "findings": [finding.to_json() for finding in self.findings],
            "tokens": self.tokens.to_json() if self.tokens else NO_TOKENS,
        }


@dataclass(frozen=True)
class DataReport:
    """All files of a recipe's data section. `problems` are the rows that cannot be used."""

    sources: tuple[SourceReport, ...]
    problems: tuple[Problem, ...] = ()
    splits: dict[str, dict[str, Any]] = field(default_factory=dict)
    tokens: Tokens | None = None

    @property
    def rows(self) -> int:
        return sum(source.rows for source in self.sources)

    @property
    def usable(self) -> int:
        return sum(source.usable for source in self.sources)

    def refuse_bad_rows(self) -> None:
        """Raise DataError that names the first row that cannot be used, and counts the others."""
        refuse(self.problems)

    def to_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "usable": self.usable,
            "sources": [source.to_json() for source in self.sources],
            "splits": self.splits,
            "tokens": self.tokens.to_json() if self.tokens else NO_TOKENS,
        }


def problem_findings(problems: Sequence[Problem]) -> list[Finding]:
    """One finding for each kind of problem, most frequent first."""
    counts = Counter(problem.code for problem in problems)
    return [
        Finding(
            code,
            "error",
            count,
            tuple(
                Example(problem.place.number, printable(problem.what))
                for problem in [problem for problem in problems if problem.code == code][:EXAMPLES]
            ),
            next(problem.fix for problem in problems if problem.code == code),
        )
        for code, count in counts.most_common()
    ]


def duplicate_finding(repeated: Sequence[Row]) -> list[Finding]:
    """`repeated` are the rows that are word for word an earlier one."""
    if not repeated:
        return []
    examples = tuple(Example(row.line, shorten(row.messages[0].content)) for row in repeated[:EXAMPLES])
    fix = "remove the copies unless they are meant to count more; copies never lie on both sides of the split"
    return [Finding("duplicate", "warning", len(repeated), examples, fix)]


def ignored_finding(ignored: Counter[str], first_lines: dict[str, int]) -> list[Finding]:
    """`ignored` counts, for each key that nobody reads, the rows that have it."""
    if not ignored:
        return []
    examples = tuple(
        Example(first_lines[key], f"`{printable(key)}` in {count} rows")
        for key, count in ignored.most_common(EXAMPLES)
    )
    return [
        Finding(
            "ignored_key",
            "note",
            max(ignored.values()),
            examples,
            "remove them, or leave them: they are not read",
        )
    ]
