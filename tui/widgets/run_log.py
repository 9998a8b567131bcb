"""The log of a run."""

from __future__ import annotations

from collections.abc import Sequence

from textual.widgets import Log

LINES_KEPT = 50_000


class RunLog(Log):
    """Plain lines, newest last. It follows the end unless a person has scrolled up."""

    def __init__(self) -> None:
        super().__init__(max_lines=LINES_KEPT, auto_scroll=True)
        self.border_title = "Log"
        self._following = True

    def add(self, lines: Sequence[str]) -> None:
        if not lines:
            return
        self.write_lines(lines, scroll_end=self._following)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._following = self.is_vertical_scroll_end

    def on_resize(self) -> None:
        if self._following:
            self.scroll_end(animate=False)
