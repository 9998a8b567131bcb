"""Where a row stands, a row as it was read, and what can be wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Unit = Literal["line", "row"]


@dataclass(frozen=True, order=True)
class Place:
    """A 1-based line of a text file, or row of a Parquet table. `file` is what the recipe calls it."""

    file: str
    number: int
    unit: Unit = "line"

    def __str__(self) -> str:
        return f"{self.file} {self.unit} {self.number}"


@dataclass(frozen=True)
class RawRow:
    """One record as its file holds it."""

    place: Place
    value: Mapping[str, Any]


@dataclass(frozen=True)
class Problem:
    """One row that cannot be used: what is wrong with it, and what to do, as halves of a sentence."""

    code: str
    place: Place
    what: str
    fix: str

    def __str__(self) -> str:
        return printable(f"{self.place}: {self.what}; {self.fix}")


def printable(text: str) -> str:
    """The text with lone surrogates spelled out, so that it can be printed and written."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def shorten(text: str, limit: int = 80) -> str:
    """One printable line of at most `limit` characters, for a person to recognise the text."""
    line = " ".join(printable(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
