"""The card with the one thing to do next."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from tui.views import NextStep


class NextCard(Vertical, can_focus=True):
    """Says what a person most likely wants now; Enter or a click does it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "choose", "Next step", show=False)]

    class Chosen(Message):
        """The person wants `step` to be done."""

        def __init__(self, step: NextStep) -> None:
            super().__init__()
            self.step = step

    def __init__(self) -> None:
        super().__init__()
        self.step: NextStep | None = None
        self.border_title = "Next"

    def compose(self) -> ComposeResult:
        yield Static("Looking …", id="next-title", markup=False)
        yield Static("", id="next-about", markup=False)
        yield Static("", id="next-button")

    def show(self, step: NextStep) -> None:
        self.step = step
        self.query_one("#next-title", Static).update(step.title)
        self.query_one("#next-about", Static).update(step.about)
        self.query_one("#next-button", Static).update(f" {step.button}  ⏎ ")

    def show_problem(self, text: str) -> None:
        """Nothing can be done here until `text` is mended."""
        self.step = None
        self.query_one("#next-title", Static).update("The workspace cannot be read")
        self.query_one("#next-about", Static).update(text)
        self.query_one("#next-button", Static).update("")

    def action_choose(self) -> None:
        if self.step:
            self.post_message(self.Chosen(self.step))

    def on_click(self) -> None:
        self.action_choose()
