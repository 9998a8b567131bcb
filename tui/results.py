"""A run's report and parity certificate as pages, for both faces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.workspace.home import Workspace
from tui.views import Page

if TYPE_CHECKING:
    from core.jobs.records import RunRecord


def report_page(workspace: Workspace, record: RunRecord) -> Page:
    """The comparison with the base model, with its worst and best rows. Raises NotThere without one."""
    from core.jobs.outputs import report_folder

    text = (report_folder(workspace, record) / "report.md").read_text(encoding="utf-8")
    return Page(f"Report of {record.name}", text, markdown=True)


def parity_page(workspace: Workspace, record: RunRecord) -> Page:
    """Every export against the tuned model. Raises NotThere without one."""
    from core.export.render import parity_table

    return Page(f"Parity of {record.name}", parity_table(certificates(workspace, record)))


def certificates(workspace: Workspace, record: RunRecord) -> list[dict[str, Any]]:
    """The `parity.json` of every finished export, in the recipe's order."""
    from core.jobs.outputs import exports_of
    from tunery.files import read_json

    return [read_json(export.folder / "parity.json") for export in exports_of(workspace, record)]
