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

    def add(self, lines: Sequence[str]) -> None:
        if not lines:
            return
        at_end = self.is_vertical_scroll_end
        self.write_lines(lines, scroll_end=at_end)
