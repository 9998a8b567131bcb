"""What the app does for its actions: asks core in a worker, then shows what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from textual.message import Message

from tui.views import Page, RunView, ServerView
from tunery.errors import TuneryError

if TYPE_CHECKING:
    from tui.app import TuneryApp

Result = TypeVar("Result")
NO_SERVERS = "No server is running. Open a run that is done and press v."


class DeedDone(Message):
    """A worker has its answer; `show` is called with it where widgets may be touched."""

    def __init__(self, show: Callable[[], None]) -> None:
        super().__init__()
        self.show = show


class Deeds:
    """One method for each action that asks something of core. They return at once."""

    def __init__(self, app: TuneryApp) -> None:
        self._app = app
        self._facade = app.facade

    def init(self) -> None:
        self._ask(self._facade.init, self._show_and_look)

    def check(self, recipe: str) -> None:
        self._ask(lambda: self._facade.check(recipe), self._app.show_page)

    def inspect(self, recipe: str) -> None:
        self._app.notify("Reading the data …", timeout=2)
        self._ask(lambda: self._facade.inspect(recipe), self._app.show_page)

    def dataset(self, run_id: str) -> None:
        self._ask(lambda: self._facade.dataset(run_id), self._app.show_page)

    def tokens(self, run_id: str) -> None:
        self._ask(lambda: self._facade.tokens(run_id), self._app.show_page)

    def run(self, recipe: str) -> None:
        self._ask(lambda: self._facade.run(recipe), self._app.open_run)

    def stop(self, run: RunView) -> None:
        """Stop a run, after a question."""
        from tui.screens.confirm import ConfirmScreen

        question = ConfirmScreen(
            f"Stop {run.name}?",
            "It writes a checkpoint first, and Resume goes on from there.",
            "Stop it",
        )
        self._app.push_screen(question, lambda sure: self._stop(run.id) if sure else None)

    def checkpoint(self, run_id: str) -> None:
        self._ask(
            lambda: self._facade.checkpoint(run_id),
            lambda _: self._app.notify("Asked for a checkpoint.", timeout=3),
        )

    def resume(self, run_id: str) -> None:
        self._ask(lambda: self._facade.resume(run_id), lambda _: self._app.open_run(run_id))

    def report(self, run_id: str) -> None:
        self._ask(lambda: self._facade.report(run_id), self._app.show_page)

    def parity(self, run_id: str) -> None:
        self._ask(lambda: self._facade.parity(run_id), self._app.show_page)

    def serve(self, run_id: str) -> None:
        self._app.notify("Starting the server …", timeout=3)
        self._ask(lambda: self._facade.serve(run_id), self._show_server)

    def stop_server(self, run_id: str) -> None:
        """Stop a run's server, after a question."""
        from tui.screens.confirm import ConfirmScreen

        question = ConfirmScreen("Stop the server?", "Requests in flight are answered first.", "Stop it")
        self._app.push_screen(question, lambda sure: self._stop_server(run_id) if sure else None)

    def servers(self) -> None:
        self._ask(self._facade.servers, self._show_servers)

    def doctor(self) -> None:
        self._ask(self._facade.doctor, self._app.show_page)

    def _stop(self, run_id: str) -> None:
        self._ask(
            lambda: self._facade.stop(run_id),
            lambda _: self._app.notify("Asked it to stop; it writes a checkpoint first.", timeout=4),
        )

    def _stop_server(self, run_id: str) -> None:
        def told(count: int) -> None:
            self._app.notify("The server is stopped." if count else "No server is running for it.")
            self._app.look_now()

        self._ask(lambda: self._facade.stop_server(run_id), told)

    def _show_and_look(self, page: Page) -> None:
        self._app.look_now()
        self._app.show_page(page)

    def _show_server(self, server: ServerView) -> None:
        self._app.look_now()
        self._app.notify(f"{server.name} answers at {server.url}", title="Server", timeout=8)

    def _show_servers(self, servers: tuple[ServerView, ...]) -> None:
        lines = [f"{server.state:9} {server.name:24} {server.url}" for server in servers]
        self._app.show_page(Page("Servers", "\n".join(lines) or NO_SERVERS, table=True))

    def _ask(self, question: Callable[[], Result], show: Callable[[Result], Any]) -> None:
        def work() -> None:
            try:
                answer = question()
            except (TuneryError, OSError) as error:
                sentence = str(error)
                self._app.post_message(DeedDone(lambda: self._app.show_problem(sentence)))
            except Exception as error:  # one broken action must not take the app away
                from tui.crash import write_crash

                told = write_crash(error)
                self._app.post_message(DeedDone(lambda: self._app.show_problem(told)))
            else:
                self._app.post_message(DeedDone(lambda: show(answer)))

        self._app.run_worker(work, thread=True, group="deeds")
