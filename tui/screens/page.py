"""A text to read and leave."""

from __future__ import annotations

from pathlib import PurePath
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import ScrollableContainer
from textual.screen import Screen
from textual.widgets import Footer, Static

from tui.views import Page
from tui.widgets.top_bar import TopBar


class PageScreen(Screen[None]):
    """Shows one page; the arrow keys scroll it, Escape leaves it."""

    CSS_PATH: ClassVar[list[str | PurePath]] = ["page.tcss", "../widgets/top_bar.tcss"]

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page

    def compose(self) -> ComposeResult:
        yield TopBar(self.page.title, "esc goes back")
        with ScrollableContainer(id="page"):
            classes = "-table" if self.page.table else ""
            yield Static(self.page.text, id="text", classes=classes, markup=False)
        yield Footer(compact=True, show_command_palette=False)
