"""`tunery run` and `attach`: start a job, and watch one until it ends."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from tui.cli.arguments import AsJson, Overrides, RecipeFile, RunRef, named_run, recipe_path
from tui.cli.listing import run_json
from tui.cli.output import data, print_json_line, say

if TYPE_CHECKING:
    from core.jobs.records import RunRecord

SECONDS_BETWEEN_NUMBERS = 5.0


def run(
    recipe: RecipeFile,
    detach: Annotated[bool, typer.Option("--detach", help="Print the run's id and return at once.")] = False,
    until: Annotated[
        str | None, typer.Option(metavar="STEP", help="Stop after this step, such as train[0].")
    ] = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    from core.jobs.submit import submit
    from core.recipe.load import load_recipe
    from core.workspace.home import find_workspace

    file = recipe_path(recipe)
    record = submit(load_recipe(file, overrides or ()), file, find_workspace(), until=until)
    if detach:
        say(f"{record.id} runs by itself; `tunery attach {record.id}` watches it.")
        print_json_line(run_json(record)) if as_json else data(record.id)
        return
    say(f"{record.id} runs by itself; Ctrl-C leaves it running.")
    watch(record, as_json=as_json)


def attach(run: RunRef = None, as_json: AsJson = False) -> None:
    from core.jobs.recover import reap
    from core.workspace.home import find_workspace

    workspace = find_workspace()
    reap(workspace)
    watch(named_run(workspace, run), as_json=as_json)


def watch(record: RunRecord, *, as_json: bool, offset: int = 0) -> None:
    """Show a run's events until it ends, then exit as the run did.

    As JSON lines with the run's object as the last; as progress bars on a terminal;
    as plain lines otherwise. Ctrl-C ends the watching only, with exit code 130.
    """
    from core.jobs.records import find_run
    from core.workspace.home import find_workspace

    try:
        if as_json:
            _print_events(record, offset)
        elif sys.stderr.isatty() and sys.stdout.isatty():
            from tui.cli.bars import show_bars

            show_bars(record, offset)
        else:
            _print_lines(record, offset)
    except KeyboardInterrupt:
        say(
            f"\n{record.id} goes on without this terminal. Come back with `tunery attach {record.id}`; "
            f"stop it with `tunery stop {record.id}`."
        )
        raise typer.Exit(130) from None
    final = find_run(find_workspace(), record.id)
    if as_json:
        print_json_line(run_json(final))
    else:
        data(f"{final.id} {final.state}")
        _say_what_next(final)
    raise typer.Exit(exit_code_of(final))


def exit_code_of(record: RunRecord) -> int:
    """The code that a run's end stands for: its own where it has one, 0 for done, else 1."""
    if record.state == "done":
        return record.exit_code or 0
    return record.exit_code or 1


def _print_events(record: RunRecord, offset: int) -> None:
    from core.jobs.attach import follow

    for event in follow(record, offset):
        print_json_line(event)


def _print_lines(record: RunRecord, offset: int) -> None:
    from core.jobs.attach import follow
    from tui.story import is_number_of_a_step, line_of

    last_numbers = 0.0
    for event in follow(record, offset):
        if is_number_of_a_step(event):
            if event["time"] < last_numbers + SECONDS_BETWEEN_NUMBERS:
                continue
            last_numbers = event["time"]
        if line := line_of(event):
            say(line)


def _say_what_next(record: RunRecord) -> None:
    if record.state == "done":
        if any(step.step.startswith("export[") for step in record.steps):
            say(f"`tunery chat {record.id}` talks to it; `tunery serve {record.id}` serves it.")
        if any(step.step == "evaluate" for step in record.steps):
            say(f"`tunery report {record.id}` compares it with its base.")
    elif record.state in ("failed", "lost"):
        say(record.error or "The worker is gone.")
        say(f"`tunery resume {record.id}` goes on from what is there.")
    elif record.state == "stopped":
        say(f"`tunery resume {record.id}` goes on from its last checkpoint.")
