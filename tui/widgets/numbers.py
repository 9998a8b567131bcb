"""The numbers of a run, as they are now."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text
from textual.widgets import Static

from tui.story import Story
from tui.words import duration, number
from tunery.files import human_bytes

# Metric -> (label, how it is written). What is not here is in the log.
_ROWS = (
    ("loss", "loss", number),
    ("validation_loss", "validation", number),
    ("learning_rate", "learning rate", number),
    ("grad_norm", "gradient norm", number),
    ("tokens_per_second", "tokens/s", number),
    ("trained_tokens", "tokens trained", number),
    ("memory_bytes", "memory", human_bytes),
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
        rows += [
            (label, write(story.latest[metric]) if metric in story.latest else "-")
            for metric, label, write in _ROWS
        ]
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
