"""One line with the run's steps and how far each is."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.widgets import Static

from tui.theme import STATE_COLOURS
from tui.words import STATE_SYMBOLS


class StepLine(Static):
    """Shows steps in order, each with a symbol and a colour for its state."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: tuple[tuple[str, str], ...] = ()

    def show(self, steps: Sequence[tuple[str, str]]) -> None:
        """Draws only when a state changed."""
        if tuple(steps) == self._shown:
            return
        self._shown = tuple(steps)
        text = Text(no_wrap=True, overflow="ellipsis")
        for position, (step, state) in enumerate(steps):
            colour = self.app.theme_variables.get(STATE_COLOURS.get(state, "$foreground")[1:], "")
            if position:
                text.append(" › ", style=self.app.theme_variables.get("text-muted", ""))
            bold = "bold " if state == "running" else ""
            text.append(f"{STATE_SYMBOLS.get(state, '·')} {step}", style=f"{bold}{colour}")
        self.update(text)
