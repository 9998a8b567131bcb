"""The first line of every screen."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Static


class TopBar(Horizontal):
    """What this screen is about on the left, where things stand on the right."""

    def __init__(self, title: str = "", status: str = "") -> None:
        super().__init__()
        self._title = title
        self._status = status

    def compose(self) -> ComposeResult:
        yield Static("tunery", id="brand")
        yield Static(self._title, id="title", markup=False)
        yield Static(self._status, id="status")

    def show(self, title: str, status: str) -> None:
        """`title` is plain text; `status` may carry markup for colours. Draws only what changed."""
        if (title, status) == (self._title, self._status):
            return
        self._title, self._status = title, status
        self.query_one("#title", Static).update(title)
        self.query_one("#status", Static).update(status)
