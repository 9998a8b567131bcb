"""The numbers of a run, as they are now."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text
from textual.widgets import Static

from tui.metrics import label_of, written
from tui.story import Story
from tui.words import duration

# What there is room for; the other numbers are in the log.
_SHOWN = (
    "loss",
    "validation_loss",
    "learning_rate",
    "grad_norm",
    "tokens_per_second",
    "trained_tokens",
    "memory_bytes",
)


class Numbers(Static):
    """Two columns: name and value. What a run does not report is a dash."""

    def __init__(self) -> None:
        super().__init__()
        self.border_title = "Numbers"
        self._shown: list[tuple[str, str]] = []

    def show(self, story: Story, elapsed: str) -> None:
        """Draws only when a number changed."""
        rows = [("step", f"{story.at:,}" if story.at is not None else "-")]
        rows += [(label_of(metric), written(metric, story.latest.get(metric))) for metric in _SHOWN]
        left = story.stretch.eta if story.stretch else None
        rows += [("time", elapsed), ("time left", duration(left))]
        if rows == self._shown:
            return
        self._shown = rows
        muted = self.app.theme_variables["text-muted"]
        grid = Table.grid(expand=True, padding=0)
        grid.add_column(justify="left")
        grid.add_column(justify="right")
        for label, value in rows:
            grid.add_row(Text(label, style=muted), Text(value, style="bold" if label == "loss" else ""))
        self.update(grid)
