"""`tunery stop`, `checkpoint` and `resume`: how a viewer asks a job."""

from __future__ import annotations

from typing import Annotated

import typer

from tui.cli.arguments import AsJson, RunRef, named_run
from tui.cli.listing import run_json
from tui.cli.output import data, print_json, say


def stop(
    run: RunRef = None,
    wait: Annotated[bool, typer.Option("--wait", help="Return when the run has ended.")] = False,
    as_json: AsJson = False,
) -> None:
    from core.jobs.attach import follow
    from core.jobs.control import request_stop
    from core.jobs.records import find_run
    from core.workspace.home import find_workspace

    workspace = find_workspace()
    record = named_run(workspace, run)
    request_stop(record)
    say(f"Asked {record.id} to stop; it writes a checkpoint first. `tunery resume {record.id}` goes on.")
    if wait:
        for _ in follow(record):
            pass
    if as_json:
        print_json(run_json(find_run(workspace, record.id)))


def checkpoint(run: RunRef = None, as_json: AsJson = False) -> None:
    from core.jobs.control import request_checkpoint
    from core.jobs.records import find_run
    from core.workspace.home import find_workspace

    workspace = find_workspace()
    record = named_run(workspace, run)
    request_checkpoint(record)
    say(f"Asked {record.id} to write a checkpoint.")
    if as_json:
        print_json(run_json(find_run(workspace, record.id)))


def resume(
    run: RunRef = None,
    detach: Annotated[bool, typer.Option("--detach", help="Return at once.")] = False,
    as_json: AsJson = False,
) -> None:
    from core.jobs import control
    from core.workspace.home import find_workspace
    from tui.cli.running import watch

    workspace = find_workspace()
    before = named_run(workspace, run)
    offset = _size_of(before.folder / "events.jsonl")
    record = control.resume(workspace, before)
    if detach:
        say(f"{record.id} goes on; `tunery attach {record.id}` watches it.")
        print_json(run_json(record)) if as_json else data(record.id)
        return
    watch(record, as_json=as_json, offset=offset)


def _size_of(path: object) -> int:
    from pathlib import Path

    file = Path(str(path))
    return file.stat().st_size if file.exists() else 0
