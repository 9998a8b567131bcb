"""`tunery report` and `parity`: what a run proved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tui.cli.arguments import AsJson, RunRef, named_run
from tui.cli.output import data, print_json
from tunery.errors import BrokenIntegrity

if TYPE_CHECKING:
    from core.jobs.records import RunRecord
    from core.workspace.home import Workspace


def report(
    run: RunRef = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="The whole report with its worst and best rows.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    from core.evaluate.render import report_text
    from core.evaluate.report import REPORT_FILE, read_report
    from core.jobs.outputs import report_folder

    workspace, record = _run(run)
    folder = report_folder(workspace, record)
    if markdown:
        data((folder / "report.md").read_text(encoding="utf-8").rstrip())
        return
    found = read_report(folder)
    if as_json:
        print_json({**found.to_json(), "run": record.id, "path": str(folder / REPORT_FILE)})
    else:
        data(report_text(found).rstrip())


def parity(run: RunRef = None, as_json: AsJson = False) -> None:
    from core.export.render import parity_json, parity_table
    from core.jobs.outputs import parity_certificates

    workspace, record = _run(run)
    found = parity_certificates(workspace, record)
    whole = parity_json(found)
    if as_json:
        print_json({**whole, "run": record.id})
    else:
        data(parity_table(found).rstrip())
    if whole["verdict"] != "equal":
        raise BrokenIntegrity("an export is not equal to the tuned model; do not serve it, and see its line")


def _run(ref: str | None) -> tuple[Workspace, RunRecord]:
    from core.workspace.home import find_workspace

    workspace = find_workspace()
    return workspace, named_run(workspace, ref)
