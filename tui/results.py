"""A run's report and parity certificate as pages of the app, at most 78 columns wide."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.workspace.home import Workspace
from tui.views import Page

if TYPE_CHECKING:
    from core.jobs.records import RunRecord

WIDTH = 76
ANSWERS_SHOWN = 5


def report_page(workspace: Workspace, record: RunRecord) -> Page:
    """The comparison with the base model, and the worst and the best answers. Raises NotThere without one."""
    from core.evaluate.render import report_text
    from core.evaluate.report import read_report
    from core.jobs.outputs import report_folder

    folder = report_folder(workspace, record)
    worst_first = sorted(_answers(folder / "rows.jsonl"), key=lambda answer: _tuned_score(answer))
    count = min(ANSWERS_SHOWN, len(worst_first) // 2)
    best_first = worst_first[::-1]
    parts = [
        report_text(read_report(folder)).rstrip(),
        *_listed("The worst answers, by the tuned model's ROUGE-L", worst_first[:count]),
        *_listed("The best answers", best_first[:count]),
        f"`tunery report {record.id} --markdown` has the whole report.",
    ]
    return Page(f"Report of {record.name}", "\n\n".join(parts), table=True)


def parity_page(workspace: Workspace, record: RunRecord) -> Page:
    """Every export against the tuned model. Raises NotThere without one."""
    from core.export.render import parity_table
    from core.jobs.outputs import parity_certificates

    text = parity_table(parity_certificates(workspace, record))
    return Page(f"Parity of {record.name}", text, table=True)


def _answers(rows: Path) -> Iterator[dict[str, Any]]:
    for line in rows.read_text(encoding="utf-8").splitlines():
        yield from json.loads(line)["answers"]


def _tuned_score(answer: dict[str, Any]) -> float:
    return float(answer["subjects"]["tuned"]["rouge_l"])


def _listed(heading: str, answers: Sequence[dict[str, Any]]) -> list[str]:
    return [f"{heading}\n{'-' * len(heading)}", *map(_side_by_side, answers)] if answers else []


def _side_by_side(answer: dict[str, Any]) -> str:
    """One question with the reference and what base and tuned said."""
    said = [
        ("asked", answer["prompt"][-1]["content"]),
        ("reference", answer["reference"]),
        ("base", answer["subjects"]["base"]["text"]),
        (f"tuned {_tuned_score(answer):.2f}", answer["subjects"]["tuned"]["text"]),
    ]
    return "\n".join(
        textwrap.fill(
            " ".join(text.split()) or "(nothing)",
            WIDTH,
            initial_indent=f"{label:>10}  ",
            subsequent_indent=" " * 12,
        )
        for label, text in said
    )
