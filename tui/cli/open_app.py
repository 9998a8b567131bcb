"""`tunery` alone: the app where there is a terminal for it, status and a hint otherwise."""

from __future__ import annotations

import os
import signal
import sys

from tui.cli.output import data, say


def open_app() -> None:
    if not has_terminal():
        _print_status()
        return
    from tui.app import TuneryApp
    from tui.facade import CoreFacade

    # Where the shell ignores it, as under nohup, the app would draw for ever on a terminal that is gone.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    app = TuneryApp(CoreFacade())
    app.run()
    if app.crash:
        from tui.crash import write_crash

        say(f"tunery: {write_crash(app.crash)}")
    for line in app.farewell:
        say(line)
    if app.return_code:
        sys.exit(app.return_code)


def has_terminal() -> bool:
    """Whether a full-screen app can be drawn and used here."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _print_status() -> None:
    from core.jobs.records import list_runs
    from core.jobs.recover import reap
    from core.workspace.home import find_workspace
    from tui.words import LIVE_STATES

    workspace = find_workspace()
    reap(workspace)
    records = list_runs(workspace)
    live = [record for record in records if record.state in LIVE_STATES]
    data(f"{workspace.root}: {len(records)} runs, {len(live)} at work")
    for record in live:
        data(f"{record.id} {record.state} {record.step or ''}".rstrip())
    say("The app needs a terminal that it can draw on; `tunery --help` lists the commands.")
