"""`report.md`: the report for people, with the worst and the best answers side by side."""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.evaluate.axes import BASE, TUNED
from core.evaluate.figures import INTERVAL_SENTENCE, figure, interval, verdict_sentence, verdict_words
from core.evaluate.report import Report
from core.evaluate.rows import Side

# What means something in the middle of a line; what only begins a block cannot begin one in a cell.
_MARKS = re.compile(r"([\\`*_\[\]|~$])")
# Control characters, and those that turn the direction of text or hide in it.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2028\u2029\u2060-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)
_LONGEST = 1200


def report_markdown(report: Report, worst: Sequence[Side], best: Sequence[Side]) -> str:
    """The whole of `report.md`."""
    counts = report.counts
    parts = [
        f"# Evaluation of {as_text(report.name)}",
        f"**{verdict_sentence(report.verdict, report.axes).capitalize()}.**",
        f"{counts.rows} held-out rows, {counts.answers} answers, {counts.structured_answers} of them "
        f"structured, {counts.trained_tokens} assistant tokens. Every subject got the same prompts; each "
        "assistant turn of a conversation is one prompt with the true history before it.",
        _axes_table(report),
        f"{INTERVAL_SENTENCE} Loss and perplexity weigh every assistant token alike (the stop token of an "
        "answer is one of them), all other figures weigh every answer alike; whole rows are resampled "
        f"({report.intervals.resamples} times, {as_text(report.intervals.method)}). "
        "Differences of shares are percentage points.",
        f"How the verdict is made: {as_text(report.rule)}",
        "## Subjects",
        _subjects_table(report),
        f"## The {len(worst)} worst answers",
        "By the ROUGE-L of the tuned model's answer, lowest first.",
        _sides_table(worst),
        f"## The {len(best)} best answers",
        "Highest first.",
        _sides_table(best),
        "## Environment",
        _table(
            ("what", "value"),
            [(as_text(key), as_text(str(value))) for key, value in report.environment.items()],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def as_text(text: str) -> str:
    """`text` as one table cell or one line of Markdown that shows exactly it.

    Lines become <br>; nothing in it can end a cell, open a fence, a link or a tag.
    """
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} [{len(text) - _LONGEST} more characters]"
    shown = shown.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    shown = _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", shown)
    shown = shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    shown = _MARKS.sub(r"\\\1", shown)
    # Blanks at a line's start, and more than one in a row, would be lost.
    shown = re.sub(r"(?m)^ | (?= )", "&nbsp;", shown.replace("\t", "    "))
    return shown.replace("\n", "<br>")


def _axes_table(report: Report) -> str:
    names = [subject.name for subject in report.subjects]
    head = ("axis", "unit", "rows", *map(as_text, names), "tuned − base, 95 % interval", "tuned is")
    rows = [
        (
            as_text(axis.name),
            as_text(axis.metric),
            str(axis.n),
            *(figure(axis, axis.values[name]) for name in names),
            interval(axis, axis),
            verdict_words(axis) + _few_differ(axis.verdict, axis.low, axis.high, axis.different_rows),
        )
        for axis in report.axes
    ]
    meanings = "\n".join(f"- {as_text(axis.name)}: {as_text(axis.about)}" for axis in report.axes)
    return f"{_table(head, rows)}\n\n{meanings}"


def _few_differ(verdict: str, low: float | None, high: float | None, different: int) -> str:
    clear = low is not None and high is not None and (low > 0 or high < 0)
    return f" (only {different} rows differ)" if verdict == "no_clear_difference" and clear else ""


def _subjects_table(report: Report) -> str:
    rows = [
        (
            as_text(subject.name),
            as_text(subject.quant or "safetensors"),
            as_text(subject.engine),
            as_text(subject.loss_engine),
            subject.weights_sha256[:12],
        )
        for subject in report.subjects
    ]
    return _table(("subject", "weights that generated", "answers by", "loss by", "SHA-256"), rows)


def _sides_table(sides: Sequence[Side]) -> str:
    if not sides:
        return "None."
    rows = [
        (
            as_text(side.prompt.question) + _earlier(side),
            as_text(side.prompt.reference),
            _cell(side, BASE),
            _cell(side, TUNED),
        )
        for side in sides
    ]
    return _table(("prompt", "reference", "base", "tuned"), rows)


def _earlier(side: Side) -> str:
    earlier = sum(message.role != "system" for message in side.prompt.history) - 1
    return f"<br>*(after {earlier} earlier messages)*" if earlier > 0 else ""


def _cell(side: Side, name: str) -> str:
    answer, score = side.answers[name], side.scores[name]
    ending = "" if answer.stopped else "<br>*(cut at the token limit)*"
    return f"{as_text(answer.text)}{ending}<br>**ROUGE-L {score.rouge_l:.2f}**"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
