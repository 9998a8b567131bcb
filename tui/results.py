"""A run's report and parity certificate as pages of the app."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from core.workspace.home import Workspace
from tui.views import Page

if TYPE_CHECKING:
    from core.jobs.records import RunRecord

WIDTH_OF_SENTENCES = 76
WIDTH_OF_TABLES = 120


def report_page(workspace: Workspace, record: RunRecord) -> Page:
    """The comparison with the base model, with its worst and best rows. Raises NotThere without one."""
    from core.jobs.outputs import report_folder

    text = (report_folder(workspace, record) / "report.md").read_text(encoding="utf-8")
    return Page(f"Report of {record.name}", text, markdown=True)


def parity_page(workspace: Workspace, record: RunRecord) -> Page:
    """Every export against the tuned model. Raises NotThere without one."""
    from core.export.render import parity_table
    from core.jobs.outputs import parity_certificates

    text = _wrap_sentences(parity_table(parity_certificates(workspace, record)))
    return Page(f"Parity of {record.name}", text, table=True)


def _wrap_sentences(text: str) -> str:
    """Lines that are longer than a table's row are sentences."""
    return "\n".join(
        textwrap.fill(line, WIDTH_OF_SENTENCES) if len(line) > WIDTH_OF_TABLES else line
        for line in text.splitlines()
    )
