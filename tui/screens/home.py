"""Home: what to do next, and the runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import PurePath
from typing import TYPE_CHECKING, ClassVar, cast

from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer, Static

from tui.bindings import bindings_for
from tui.views import HomeView, NextStep, RunView
from tui.widgets.next_card import NextCard
from tui.widgets.run_table import RunTable
from tui.widgets.top_bar import TopBar
from tunery.errors import TuneryError

if TYPE_CHECKING:
    from tui.app import TuneryApp

SECONDS_BETWEEN_LOOKS = 2.0


class HomeScreen(Screen[None]):
    """Asks for a view of the workspace every few seconds and shows it when it changed."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_for("home")
    CSS_PATH: ClassVar[list[str | PurePath]] = [
        "home.tcss",
        "../widgets/top_bar.tcss",
        "../widgets/next_card.tcss",
        "../widgets/run_table.tcss",
    ]
    AUTO_FOCUS = "NextCard"

    class Looked(Message):
        """The workspace looks like this now."""

        def __init__(self, view: HomeView) -> None:
            super().__init__()
            self.view = view

    class CannotLook(Message):
        """The workspace cannot be read, and why."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self) -> None:
        super().__init__()
        self.view: HomeView | None = None
        self._ended = threading.Event()
        self._look_now = threading.Event()

    @property
    def tunery(self) -> TuneryApp:
        return cast("TuneryApp", self.app)

    def compose(self) -> ComposeResult:
        yield TopBar("Home")
        yield NextCard()
        with Vertical(id="runs"):
            yield Static("Runs", id="runs-title")
            yield RunTable()
            yield Static("Looking …", id="runs-empty")
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self.query_one(RunTable).display = False
        self._keep_looking()

    def on_unmount(self) -> None:
        self._ended.set()
        self._look_now.set()

    def on_screen_resume(self) -> None:
        self.look_now()

    def look_now(self) -> None:
        """Do not wait for the next regular look."""
        self._look_now.set()

    @work(thread=True, exclusive=True, group="look")
    def _keep_looking(self) -> None:
        last: HomeView | str | None = None
        while not self._ended.is_set():
            found = self._look()
            if found != last or (isinstance(found, HomeView) and any(run.live for run in found.runs)):
                last = found
                known = isinstance(found, HomeView)
                self.post_message(self.Looked(found) if known else self.CannotLook(str(found)))  # type: ignore[arg-type]
            self._look_now.wait(SECONDS_BETWEEN_LOOKS)
            self._look_now.clear()

    def _look(self) -> HomeView | str:
        try:
            return self.tunery.facade.home()
        except (TuneryError, OSError) as error:
            return str(error)

    def on_home_screen_looked(self, message: Looked) -> None:
        view = self.view = message.view
        live = sum(run.live for run in view.runs)
        self.query_one(TopBar).show("Home", f"{live} at work  {view.workspace}" if live else view.workspace)
        self.query_one(NextCard).show(view.next)
        table = self.query_one(RunTable)
        table.show(view.runs)
        table.display = bool(view.runs)
        empty = self.query_one("#runs-empty", Static)
        empty.display = not view.runs
        empty.update("No runs yet. A run turns a recipe into a tuned, measured, exported model.")
        self.query_one("#runs-title", Static).update(f"Runs  {len(view.runs) or ''}")
        self.refresh_bindings()

    def on_home_screen_cannot_look(self, message: CannotLook) -> None:
        self.query_one(NextCard).show_problem(message.text)
        self.query_one("#runs-empty", Static).update("")

    def on_next_card_chosen(self, message: NextCard.Chosen) -> None:
        self._do(message.step)

    def on_run_table_opened(self, message: RunTable.Opened) -> None:
        self.tunery.open_run(message.run_id)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Keys that would do nothing here are not shown."""
        run = self._selected()
        needs: dict[str, Callable[[], bool]] = {
            "init": lambda: bool(self.view and not self.view.recipe),
            "check": lambda: bool(self.view and self.view.recipe),
            "data_inspect": lambda: bool(self.view and self.view.recipe),
            "run": lambda: bool(self.view and self.view.recipe),
            "attach": lambda: run is not None,
            "stop": lambda: bool(run and run.live),
            "resume": lambda: bool(run and run.resumable),
            "report": lambda: bool(run and run.measured),
        }
        return needs[action]() if action in needs else True

    def on_data_table_row_highlighted(self) -> None:
        self.refresh_bindings()

    def action_init(self) -> None:
        self.tunery.deeds.init()

    def action_check(self) -> None:
        if self.view and self.view.recipe:
            self.tunery.deeds.check(self.view.recipe)

    def action_data_inspect(self) -> None:
        if self.view and self.view.recipe:
            self.tunery.deeds.inspect(self.view.recipe)

    def action_run(self) -> None:
        if self.view and self.view.recipe:
            self.tunery.deeds.run(self.view.recipe)

    def action_attach(self) -> None:
        if run := self._selected():
            self.tunery.open_run(run.id)

    def action_stop(self) -> None:
        if run := self._selected():
            self.tunery.deeds.stop(run)

    def action_resume(self) -> None:
        if run := self._selected():
            self.tunery.deeds.resume(run.id)

    def action_report(self) -> None:
        if run := self._selected():
            self.tunery.deeds.report(run.id)

    def _selected(self) -> RunView | None:
        return self.query_one(RunTable).selected if self.is_mounted else None

    def _do(self, step: NextStep) -> None:
        app = self.tunery
        deeds: dict[str, Callable[[], None]] = {
            "init": app.deeds.init,
            "run": lambda: app.deeds.run(step.target),
            "attach": lambda: app.open_run(step.target),
            "resume": lambda: app.deeds.resume(step.target),
            "serve": lambda: app.deeds.serve(step.target),
            "chat": lambda: app.chat(step.target),
        }
        deeds[step.action]()
