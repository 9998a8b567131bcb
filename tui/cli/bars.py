"""Progress bars on stderr, for people who watch a run in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from core.jobs.attach import follow
from tui.metrics import label_of, written
from tui.story import Story, is_number_of_a_step, line_of
from tui.words import duration

if TYPE_CHECKING:
    from core.jobs.records import RunRecord

_SHOWN = ("loss", "tokens_per_second")


def show_bars(record: RunRecord, offset: int) -> None:
    """Follow a run: one bar for the step at work, log lines above it."""
    console = Console(stderr=True, highlight=False)
    story = Story()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TextColumn("{task.fields[numbers]}"),
    )
    with Progress(*columns, console=console, refresh_per_second=2, transient=True) as progress:
        bar = progress.add_task(record.step or record.state, total=None, numbers="")
        for event in follow(record, offset):
            story.read([event])
            line = line_of(event)
            if line and not is_number_of_a_step(event):
                console.print(line, markup=False, soft_wrap=True)
            stretch = story.stretch
            step = story.step or record.state
            progress.update(
                bar,
                description=f"{step}: {stretch.what}" if stretch else step,
                total=stretch.of if stretch else None,
                completed=stretch.done if stretch else 0,
                numbers=_numbers(story),
            )


def _numbers(story: Story) -> str:
    shown = [
        f"{label_of(name)} {written(name, story.latest[name])}" for name in _SHOWN if name in story.latest
    ]
    if story.stretch and story.stretch.eta is not None:
        shown.append(f"{duration(story.stretch.eta)} left")
    return ", ".join(shown)
