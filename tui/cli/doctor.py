"""`tunery doctor`: what would go wrong on this machine."""

from __future__ import annotations

import typer

from tui.cli.arguments import AsJson
from tui.cli.output import data, print_json


def doctor(as_json: AsJson = False) -> None:
    from dataclasses import asdict

    from core.doctor.look import look
    from core.workspace.home import find_workspace

    findings = look(find_workspace())
    if as_json:
        print_json({"findings": [asdict(finding) for finding in findings]})
    else:
        from tui.findings import findings_text

        data(findings_text(findings))
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(1)
