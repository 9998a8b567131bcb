"""The data report as text, for both faces; at most 78 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from core.data.bars import Bar, bins
from core.data.telling import in_order, proven, quantiles
from tui.findings import MARKS
from tunery.shown import harmless

Report = Mapping[str, Any]

WIDTH = 78
BAR_CELLS = 40
NAME_LETTERS = 40
GROUPS_SHOWN = 20
_SEVERITIES = ("error", "warning", "note")


def report_text(report: Report) -> str:
    """What was found, most important first; `report` is its JSON form (see core/data/report.py)."""
    parts = [
        *("\n".join(_source(source)) for source in report["sources"]),
        _steps(report),
        _left_out(report.get("dropped") or {}),
        _splits(report.get("splits") or {}),
        _groups("Tasks", report.get("tasks") or {}),
        _groups("Labels", report.get("labels") or {}),
        _tokens(report),
        _lengths(report.get("lengths") or {}, quantiles(report.get("tokens") or {})),
        textwrap.fill(proven(report["proof"]), WIDTH) if report.get("proof") else "",
        _verdict(report),
    ]
    return "\n\n".join(part for part in parts if part)


def listed(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose figures stand on the right; its last cell is cut where it would be too wide."""
    lines = [tuple(headings), *(tuple(map(harmless, row)) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    numeric = [all(_is_figure(line[column]) for line in lines[1:]) for column in range(len(headings))]
    shown = [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in lines
    ]
    return "\n".join([title, *(f"  {line}"[:WIDTH] for line in shown)])


def end_of(name: str) -> str:
    return name if len(name) <= NAME_LETTERS else "…" + name[1 - NAME_LETTERS :]


def _source(source: Report) -> Iterator[str]:
    how = "found by looking" if source["detected"] else "as the recipe says"
    yield harmless(source["path"])
    yield f"  {_rows(source['rows'])}, {source['usable']:,} usable; {source['format']} ({how})"
    findings = sorted(source["findings"], key=lambda finding: _SEVERITIES.index(finding["severity"]))
    for finding in findings:
        yield from _finding(finding)
    if not findings:
        yield f"  {MARKS['ok']} nothing odd was found"


def _finding(finding: Report) -> Iterator[str]:
    mark = MARKS[finding["severity"]]
    yield f"  {mark} {finding['code'].replace('_', ' ')}, {_rows(finding['count'])} ({finding['severity']})"
    for example in finding["examples"]:
        yield from _wrapped(f"line {example['line']:<7,} ", example["text"], indent=6)
    yield from _wrapped("→ ", finding["fix"], indent=6)


def _steps(report: Report) -> str:
    steps = [
        (step["step"], f"{step['rows_in']:,}", f"{step['rows_out']:,}", f"{step['changed']:,}", step["about"])
        for step in report.get("steps") or ()
    ]
    return listed("What was done", ("step", "rows in", "out", "changed", ""), steps) if steps else ""


def _left_out(dropped: Mapping[str, int]) -> str:
    rows = [(code.replace("_", " "), f"{count:,}") for code, count in dropped.items()]
    return listed("Left out, and why", ("reason", "rows"), rows) if rows else ""


def _splits(splits: Mapping[str, Report]) -> str:
    shown = [f"{facts['rows']:,} {name}" for name, facts in in_order(splits).items()]
    return f"Splits: {', '.join(shown)}" if shown else ""


def _groups(title: str, groups: Mapping[str, int]) -> str:
    if not groups:
        return ""
    ranked = sorted(groups.items(), key=lambda item: (-item[1], item[0]))
    lines = _bars([Bar(name, count) for name, count in ranked[:GROUPS_SHOWN]])
    more = len(ranked) - GROUPS_SHOWN
    return "\n".join([title, *lines, *([f"  and {more:,} more"] if more > 0 else [])])


def _tokens(report: Report) -> str:
    parts = [
        *((source["path"], source.get("tokens") or {}) for source in report["sources"]),
        *((f"task {name}", tokens) for name, tokens in (report.get("tokens_by_task") or {}).items()),
    ]
    rows = [
        (end_of(name), f"{tokens['trained']:,}", f"{tokens['context']:,}")
        for name, tokens in parts
        if tokens.get("trained") is not None
    ]
    return listed("Tokens", ("", "trained", "only read"), rows) if rows else ""


def _lengths(lengths: Report, told: str) -> str:
    bars = bins(lengths)
    if not bars:
        return ""
    closing = textwrap.wrap(told, WIDTH, initial_indent="  ", subsequent_indent="  ")
    return "\n".join([f"Length of rows in {lengths['unit']}", *_bars(bars), *closing])


def _verdict(report: Report) -> str:
    found = [finding for source in report["sources"] for finding in source["findings"]]
    counts = {name: sum(finding["severity"] == name for finding in found) for name in _SEVERITIES}
    refused = "\nA run would not start: mend what is marked ✗ first." if counts["error"] else ""
    told = ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts.items() if count)
    return f"{_rows(report['rows'])} read, {report['usable']:,} usable; {told or 'nothing odd'}.{refused}"


def _bars(bars: Sequence[Bar]) -> Iterator[str]:
    largest = max(bar.amount for bar in bars) or 1
    labels = [harmless(bar.label)[:24] for bar in bars]
    width = max(map(len, labels))
    for bar, label in zip(bars, labels, strict=True):
        # A row that is there is seen, however few it stands among.
        cells = max(round(BAR_CELLS * bar.amount / largest), 1 if bar.amount else 0)
        yield f"  {label:>{width}}  {'█' * cells}{' ' if cells else ''}{bar.amount:,}"


def _wrapped(label: str, text: str, indent: int) -> Iterator[str]:
    first = " " * indent + label
    words = " ".join(harmless(text).split()) or "(nothing)"
    yield from textwrap.wrap(words, WIDTH, initial_indent=first, subsequent_indent=" " * len(first))


def _is_figure(cell: str) -> bool:
    return cell.strip("+-–=").replace(",", "").isdigit() or cell in ("", "–", "=")


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"
