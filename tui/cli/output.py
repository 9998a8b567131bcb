"""stdout for data, stderr for talk."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(value, ensure_ascii=False, indent=2))  # noqa: T201


def print_json_line(value: Any) -> None:
    """One JSON object on one line of stdout, at once."""
    print(json.dumps(value, ensure_ascii=False), flush=True)  # noqa: T201


def data(text: str = "") -> None:
    """A line of data, on stdout."""
    print(text, flush=True)  # noqa: T201


def say(text: str = "") -> None:
    """A line of talk, on stderr."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, two spaces apart."""
    lines = [list(headings), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
