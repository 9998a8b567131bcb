"""The data card: what a dataset holds and how it came about, for people. A function of the report alone."""

from __future__ import annotations

from collections.abc import Iterator

from core.data.report import DataReport
from core.recipe.data import DataSection


def data_card(section: DataSection, report: DataReport) -> str:
    """Markdown: what it holds, from where, what was done (Gebru et al. 2018, Datasheets for Datasets)."""
    return "\n".join(_lines(section, report)) + "\n"


def _lines(section: DataSection, report: DataReport) -> Iterator[str]:
    yield "# Data card"
    yield ""
    yield "## What it holds"
    yield ""
    yield "| split | rows | tokens trained | tokens read only | longest row |"
    yield "|---|---|---|---|---|"
    for split, facts in report.splits.items():
        yield (
            f"| {split} | {facts['rows']:,} | {facts['trained']:,} | {facts['context']:,} | "
            f"{facts['lengths']['max']:,} |"
        )
    yield from _groups("Tasks", report.tasks)
    yield from _groups("Labels", report.labels)
    yield ""
    yield "## Where it comes from"
    yield ""
    yield "| source | format | rows | usable | sha256 |"
    yield "|---|---|---|---|---|"
    for source in report.sources:
        how = "detected" if source.detected else "as set"
        digest = (source.sha256 or "-")[:16]
        yield _row(source.path, f"{source.format} ({how})", f"{source.rows:,}", f"{source.usable:,}", digest)
    yield ""
    yield "## What was done to it"
    yield ""
    yield "| step | rows in | rows out | changed | |"
    yield "|---|---|---|---|---|"
    for step in report.steps:
        yield _row(step.step, f"{step.rows_in:,}", f"{step.rows_out:,}", f"{step.changed:,}", step.about)
    yield ""
    yield f"Divided with seed {section.split.seed}. Rows that were left out are in `dropped.jsonl`;"
    yield "those that balance passes over are only counted."
    yield from _redaction(section)
    yield from _findings(report)


def _groups(title: str, groups: dict[str, int]) -> Iterator[str]:
    if groups:
        yield ""
        yield f"{title}: " + ", ".join(f"{_cell(name)} ({count:,})" for name, count in groups.items())


def _redaction(section: DataSection) -> Iterator[str]:
    yield ""
    if section.clean.redact:
        yield f"Replaced by placeholders: {', '.join(section.clean.redact)}."
    else:
        yield "Personal data and secrets were not looked for (`data.clean.redact`)."


def _findings(report: DataReport) -> Iterator[str]:
    found = [(source, finding) for source in report.sources for finding in source.findings]
    if not found:
        return
    yield ""
    yield "## What is odd in it"
    yield ""
    yield "| source | finding | rows | what to do |"
    yield "|---|---|---|---|"
    for source, finding in found:
        what = f"{finding.severity}: {finding.code.replace('_', ' ')}"
        yield _row(source.path, what, f"{finding.count:,}", finding.fix)


def _row(*cells: str) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("`", "'")
