"""`tunery runs`, `logs` and `actions`: what there is, and what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tui.cli.arguments import AsJson, RunRef, named_run
from tui.cli.output import data, print_json, print_json_line, say, table

if TYPE_CHECKING:
    from core.jobs.records import RunRecord


def runs(as_json: AsJson = False) -> None:
    from core.jobs.records import list_runs
    from core.jobs.recover import reap
    from core.workspace.home import find_workspace
    from tui.words import LIVE_STATES, first_line, percent, took, when

    workspace = find_workspace()
    reap(workspace)
    records = list_runs(workspace)
    if as_json:
        print_json([run_json(record) for record in records])
        return
    if not records:
        say(f"There are no runs in {workspace.root}; `tunery run RECIPE` starts one.")
        return
    rows = [
        (
            record.id,
            record.name,
            record.state,
            record.step or "-",
            percent(record.progress) if record.state in LIVE_STATES else "",
            when(record.started),
            took(record.started, record.ended),
            first_line(record.error, 60),
        )
        for record in records
    ]
    data(table(("ID", "RECIPE", "STATE", "STEP", "", "STARTED", "TOOK", "ERROR"), rows))


def logs(
    run: RunRef = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until the run ends.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="The worker's own output, log.txt.")] = False,
    as_json: AsJson = False,
) -> None:
    from core.jobs.records import find_run
    from core.workspace.events import read_events
    from core.workspace.home import find_workspace
    from tui.story import line_of

    record = named_run(find_workspace(), run)
    if raw:
        _copy_raw_log(record)
        return
    if follow:
        from core.jobs.attach import follow as follow_events

        events: Any = follow_events(record)
    else:
        events, _ = read_events(record.folder / "events.jsonl")
    try:
        for event in events:
            if as_json:
                print_json_line(event)
            elif line := line_of(event):
                data(line)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if as_json:
        print_json_line(run_json(find_run(find_workspace(), record.id)))


def actions(as_json: AsJson = False) -> None:
    from tui.actions import ACTIONS, key_label

    if as_json:
        print_json(
            [
                {
                    "id": action.id,
                    "title": action.title,
                    "about": action.about,
                    "keys": list(action.keys),
                    "scopes": list(action.scopes),
                    "twin": action.twin,
                    "no_twin": action.no_twin,
                }
                for action in ACTIONS
            ]
        )
        return
    rows = [
        (" ".join(map(key_label, action.keys)) or "-", action.title, action.twin or "-", action.about)
        for action in ACTIONS
    ]
    data(table(("KEY", "ACTION", "COMMAND", "WHAT IT DOES"), rows))


def run_json(record: RunRecord) -> dict[str, Any]:
    """The object that `runs --json` lists and `run --json` ends with."""
    from dataclasses import asdict

    return {
        "id": record.id,
        "name": record.name,
        "state": record.state,
        "step": record.step,
        "progress": record.progress,
        "started": record.started,
        "ended": record.ended,
        "error": record.error,
        "error_class": record.error_class,
        "exit_code": record.exit_code,
        "folder": str(record.folder),
        "steps": [asdict(step) for step in record.steps],
    }


def _copy_raw_log(record: RunRecord) -> None:
    import shutil
    import sys

    try:
        with open(record.folder / "log.txt", encoding="utf-8", errors="replace") as handle:
            shutil.copyfileobj(handle, sys.stdout)
    except FileNotFoundError:
        say(f"Run {record.id} has no output yet.")
