"""A progress bar, or a sentence where there is nothing to count."""

from __future__ import annotations

from rich.text import Text
from textual.widget import Widget

from tui.story import Stretch
from tui.words import duration


class StretchBar(Widget):
    """How far the step at work is; a sentence may take up to three lines."""

    def __init__(self) -> None:
        super().__init__()
        self._stretch: Stretch | None = None
        self._sentence = ""
        self._colour = "text-muted"

    def show(self, stretch: Stretch | None, sentence: str, colour: str = "text-muted") -> None:
        """Draws only when something changed. `colour` is the sentence's, as a theme variable."""
        if (stretch, sentence, colour) != (self._stretch, self._sentence, self._colour):
            self._stretch, self._sentence, self._colour = stretch, sentence, colour
            self.refresh(layout=True)

    def render(self) -> Text:
        colours = self.app.theme_variables
        if self._stretch is None:
            return Text(self._sentence, style=colours[self._colour])
        stretch = self._stretch
        label = f" {stretch.done:,} of {stretch.of:,} {stretch.what}"
        if stretch.eta is not None:
            label += f", {duration(stretch.eta)} left"
        width = max(self.size.width - len(label) - 6, 8)
        full = round(width * stretch.share)
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append("━" * full, style=colours["primary"])
        text.append("─" * (width - full), style=colours["border"])
        text.append(f" {100 * stretch.share:3.0f} %", style="bold")
        text.append(label, style=colours["text-muted"])
        return text
