"""The terminal app: frame, keys and navigation. What it does for an action is in deeds.py."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.screen import Screen

from tui.actions import Scope, actions_in
from tui.bindings import bindings_for
from tui.deeds import DeedDone, Deeds
from tui.facade import Facade
from tui.screens.home import HomeScreen
from tui.theme import DARK
from tui.views import Page
from tunery.errors import TuneryError


class TuneryApp(App[None], inherit_bindings=False):
    """`facade` is the only way to core. `farewell` is what to print after the app has closed."""

    TITLE = "tunery"
    CSS_PATH = "app.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings_for("anywhere")
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"

    def __init__(self, facade: Facade) -> None:
        super().__init__()
        self.facade = facade
        self.deeds = Deeds(self)
        self.home = HomeScreen()
        self.crash: Exception | None = None

    def on_mount(self) -> None:
        self.register_theme(DARK)
        self.theme = DARK.name
        self.push_screen(self.home)

    @property
    def farewell(self) -> list[str]:
        """Which jobs and servers go on now, and how to come back."""
        try:
            view = self.facade.home()
        except (TuneryError, OSError):
            return []
        lines = []
        for run in view.runs:
            if run.live:
                lines.append(f"{run.id} goes on ({run.step or run.state}).")
                lines.append(f"Come back with `tunery`, or `tunery attach {run.id}`.")
        lines += [f"{server.name} goes on answering at {server.url}." for server in view.servers]
        return lines

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette: the actions of this screen, and those of every screen."""
        scopes: tuple[Scope, ...] = ("anywhere", *scope_of(screen))
        for scope in scopes:
            owner = self if scope == "anywhere" else screen
            for action in actions_in(scope):
                if action.id == "command_palette" or not owner.check_action(action.id, ()):
                    continue
                yield SystemCommand(action.title, action.about, getattr(owner, f"action_{action.id}"))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing to go back to, no key for it."""
        if action in ("back", "runs"):
            return len(self.screen_stack) > 2
        return super().check_action(action, parameters)

    def on_deed_done(self, message: DeedDone) -> None:
        message.show()

    def open_run(self, run_id: str) -> None:
        from tui.screens.run import RunScreen

        self._go_home()
        self.push_screen(RunScreen(run_id))

    def show_page(self, page: Page) -> None:
        from tui.screens.page import PageScreen

        self.push_screen(PageScreen(page))

    def show_problem(self, sentence: str) -> None:
        """What could not be done, and what to do. Long ones get a page."""
        if len(sentence) > 200 or "\n" in sentence:
            self.show_page(Page("That did not work", sentence))
        else:
            self.notify(sentence, title="That did not work", severity="error", timeout=10, markup=False)

    def look_now(self) -> None:
        self.home.look_now()

    def chat(self, run_id: str) -> None:
        """Leave the screen to `tunery chat`, and come back when it ends."""
        import signal
        import subprocess

        from textual.app import SuspendNotSupported

        command = self.facade.chat_command(run_id)
        # Ctrl-C is for the chat. A handler, unlike SIG_IGN, is not inherited by it.
        before = signal.signal(signal.SIGINT, lambda *_: None)
        try:
            with self.suspend():
                subprocess.run(command, check=False)
        except SuspendNotSupported:
            self.show_problem(f"This terminal cannot be lent to the chat; run `tunery chat {run_id}` in it.")
        finally:
            signal.signal(signal.SIGINT, before)

    async def action_back(self) -> None:
        if len(self.screen_stack) > 2:
            await self.pop_screen()

    def action_runs(self) -> None:
        self._go_home()

    def action_servers(self) -> None:
        self.deeds.servers()

    def action_doctor(self) -> None:
        self.deeds.doctor()

    def action_help(self) -> None:
        from tui.help import help_page

        self.show_page(help_page())

    async def action_quit(self) -> None:
        self.exit()

    def on_key(self, event: object) -> None:
        if getattr(event, "key", "") == "ctrl+c":
            self.notify("Press q to leave; jobs go on.", timeout=3)

    def _go_home(self) -> None:
        while self.screen is not self.home and len(self.screen_stack) > 2:
            self.pop_screen()

    def _handle_exception(self, error: Exception) -> None:
        """A crash closes the app without printing variables; `open_app` writes the crash file."""
        if self.is_headless:
            super()._handle_exception(error)
            return
        self.crash = self.crash or error
        self.exit(return_code=1)


def scope_of(screen: Screen[object]) -> tuple[Scope, ...]:
    """The scope of the actions that belong to a screen."""
    name = type(screen).__name__
    scopes: dict[str, Scope] = {"HomeScreen": "home", "RunScreen": "run"}
    return (scopes[name],) if name in scopes else ()
