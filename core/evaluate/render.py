"""The report as plain text for the terminal, at most 80 columns for two subjects."""

from __future__ import annotations

from collections.abc import Sequence

from core.evaluate.figures import INTERVAL_SENTENCE, figure, interval, verdict_sentence, verdict_words
from core.evaluate.report import Report


def report_text(report: Report) -> str:
    """What `tunery report` prints: the comparison with base, the exports, the verdict."""
    counts = report.counts
    lines = [
        printable(
            f"{report.name}: {counts.rows} held-out rows, {counts.answers} answers, "
            f"{counts.structured_answers} of them structured"
        ),
        "",
        *_table(
            ("axis", "base", "tuned", "difference, 95 %", "verdict"),
            [
                (
                    axis.name,
                    figure(axis, axis.base),
                    figure(axis, axis.tuned),
                    interval(axis, axis),
                    verdict_words(axis),
                )
                for axis in report.axes
            ],
        ),
    ]
    exports = [subject.name for subject in report.subjects if subject.name not in ("base", "tuned")]
    if exports:
        rows = [(axis.name, *(figure(axis, axis.values[name]) for name in exports)) for axis in report.axes]
        lines += ["", *_table(("exports", *map(printable, exports)), rows)]
    lines += ["", *_wrap(INTERVAL_SENTENCE)]
    for name in exports:
        worse = [axis.name for axis in report.axes if axis.exports[name].verdict == "worse"]
        if worse:
            lines += _wrap(f"{printable(name)} is clearly worse than base on {', '.join(worse)}.")
    lines += ["", *_wrap(f"Verdict: {verdict_sentence(report.verdict, report.axes)}.")]
    return "\n".join(lines) + "\n"


def printable(text: str) -> str:
    """`text` without what could move a terminal's cursor."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns two blanks apart, figures to the right, the first and the last column to the left."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    left = {0} if len(head) < 5 else {0, len(head) - 1}

    def line(cells: Sequence[str]) -> str:
        placed = [
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(placed).rstrip()

    return [line(head), "  ".join("-" * width for width in widths), *(line(row) for row in rows)]


def _wrap(text: str) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width=80)
