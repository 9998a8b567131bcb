"""The hard facts in a text: numbers with their units, dates, times and names.

Two texts that agree in their words can still differ in one of these, and that is what
hurts a reader; so they are read out and compared one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from rag.letters import fold
from rag.measures import MONTHS, NUMBER_WORDS, UNITS
from rag.words import FUNCTION_WORDS

_MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
# Each names some of day, month, year; a month is a number or a word.
_DATES = (
    re.compile(r"\b(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)\b"),
    re.compile(r"\b(?P<day>\d{1,2})\.\s?(?P<month>\d{1,2})\.\s?(?P<year>\d{4})\b"),
    re.compile(
        rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)?\s+(?:of\s+)?(?P<month>{_MONTH})\b\.?(?:,?\s+(?P<year>\d{{4}})\b)?"
    ),
    re.compile(
        rf"\b(?P<month>{_MONTH})\.?\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b(?!:)(?:,?\s+(?P<year>\d{{4}})\b)?"
    ),
)
_TIMES = (
    re.compile(r"\b(?P<hour>[01]?\d|2[0-4]):(?P<minute>[0-5]\d)(?:\s?(?P<half>[ap])\.?m\b\.?)?"),
    re.compile(r"\b(?P<hour>1?\d)(?:\.(?P<minute>[0-5]\d))?\s?(?P<half>[ap])\.?m\b\.?"),
    re.compile(r"\b(?P<hour>[01]?\d|2[0-4])(?:\.(?P<minute>[0-5]\d))?\s(?:uhr|o'clock)\b"),
)
_NUMBER = re.compile(
    rf"(?P<before>[€$£]\s?)?(?<![\w.])(?P<digits>\d+(?:[.,'\s]\d{{3}}(?!\d))*(?:[.,]\d+)?)"
    rf"|\b(?P<word>{'|'.join(NUMBER_WORDS)})\b"
)
# The number of an item in a list counts nothing.
_ITEM = re.compile(r"^\s*\d{1,2}[.)]\s+", re.MULTILINE)
_UNIT_AFTER = re.compile(r"[\s-]?([€$£%]|°[cf]?|[^\W\d_]+)")
# A capital letter inside a sentence. What stands behind an end mark, a bullet or a bar begins one.
_NAME = re.compile(r"(?<=[^\s.!?:…|*>#-])[ \u00a0][\"“„(']?([A-ZÄÖÜÀ-Þ][\w’'-]*\w)")


@dataclass(frozen=True)
class Fact:
    """Something exact that a text says. `shown` is how it was written; equal `value` is the same fact.

    `unit` is None where the text names none that is known.
    """

    value: str
    unit: str | None
    shown: str


def facts_of(text: str) -> list[Fact]:
    """The dates, times and numbers of a text, in this order; each figure is read once."""
    rest = fold(text)
    found: list[Fact] = []
    for pattern in _DATES:
        found += (_date(match) for match in pattern.finditer(rest))
        rest = pattern.sub(_blank, rest)
    rest = _ITEM.sub(_blank, rest)
    for pattern in _TIMES:
        found += (_time(match) for match in pattern.finditer(rest))
        rest = pattern.sub(_blank, rest)
    return [*found, *_numbers(rest)]


def names_of(text: str) -> list[str]:
    """Capitalised words where nothing but a name asks for a capital: not where a sentence begins."""
    return [name for name in _NAME.findall(text) if fold(name) not in FUNCTION_WORDS]


def _date(match: re.Match[str]) -> Fact:
    parts = match.groupdict()
    month = MONTHS.get(parts["month"]) or int(parts["month"])
    year = f" {parts['year']}" if parts["year"] else ""
    return Fact(f"{int(parts['day'])}.{month}.{year}", "date", match.group().strip(" ."))


def _time(match: re.Match[str]) -> Fact:
    parts = match.groupdict()
    hour = int(parts["hour"]) % 12 + 12 * (parts["half"] == "p") if parts.get("half") else int(parts["hour"])
    return Fact(f"{hour}:{int(parts.get('minute') or 0):02}", "time", match.group().strip())


def _numbers(text: str) -> Iterator[Fact]:
    for match in _NUMBER.finditer(text):
        digits, word = match["digits"], match["word"]
        value = _value(digits) if digits else str(NUMBER_WORDS[word])
        after = _UNIT_AFTER.match(text, match.end())
        sign = (match["before"] or "").strip()
        unit = UNITS.get(sign or (after.group(1) if after else ""))
        named = after.group() if after and unit and not sign else ""
        yield Fact(value, unit, f"{match.group()}{named}".strip())


def _value(digits: str) -> str:
    """One spelling for a number: 1,200 and 1200, 34.00 and 34, 1,80 and 1.8 are the same."""
    head, mark, tail = re.fullmatch(r"(.*?)(?:([.,])(\d+))?", digits).groups()  # type: ignore[union-attr]
    if mark and len(tail) == 3 and head != "0":
        head, tail = head + tail, ""
    whole = re.sub(r"\D", "", head)
    value = Decimal(f"{whole}.{tail}" if tail else whole).normalize()
    return f"{value:f}"


def _blank(match: re.Match[str]) -> str:
    return " " * len(match.group())
