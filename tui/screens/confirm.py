"""A question before something that is hard to take back."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static


class ConfirmScreen(ModalScreen[bool]):
    """True when the person is sure. Cancel has the focus, and the key for yes is its own."""

    CSS_PATH = "confirm.tcss"
    AUTO_FOCUS = "#cancel"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "yes", "Yes", show=False),
        Binding("escape,n,q", "no", "Cancel", show=False),
        Binding("left,right", "app.focus_next", "Move", show=False),
    ]

    def __init__(self, question: str, about: str, button: str) -> None:
        super().__init__()
        self._question = question
        self._about = about
        self._button = button

    def compose(self) -> ComposeResult:
        with Vertical(id="question"):
            yield Static(self._question, id="title", markup=False)
            yield Static(self._about, id="about", markup=False)
            with Horizontal(id="buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button(f"{self._button} (y)", id="yes", compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_yes(self) -> None:
        self.dismiss(True)

    def action_no(self) -> None:
        self.dismiss(False)
