"""How far core is, on stderr, for a command that waits for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tui.cli.output import say
from tunery.shown import harmless

if TYPE_CHECKING:
    from core.workspace.events import Emit, Event


@contextmanager
def progress_shown() -> Iterator[Emit]:
    """An emit that draws a bar on a terminal, and prints warnings alone anywhere else."""
    if not sys.stderr.isatty():
        yield _say_warning
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=28), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        bar = progress.add_task("reading", total=None)

        def emit(event: Event) -> None:
            told = event.to_json()
            if event.kind == "progress":
                progress.update(bar, description=told["what"], total=told["of"], completed=told["done"])
            elif event.kind in ("log", "warning"):
                console.print(harmless(told["text"]), markup=False, soft_wrap=True)
            elif event.kind == "sample":
                console.print(
                    harmless(f"{told['prompt']}\n    {told['answer']}"), markup=False, soft_wrap=True
                )

        yield emit


def _say_warning(event: Event) -> None:
    if event.kind == "warning":
        say(f"warning: {harmless(event.to_json()['text'])}")
