"""Run: its state, steps, live chart, numbers and log."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import PurePath
from typing import TYPE_CHECKING, ClassVar, cast

from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer

from tui.bindings import bindings_for
from tui.story import Story, is_number_of_a_step, line_of
from tui.theme import STATE_COLOURS
from tui.views import RunNews, RunView
from tui.widgets.live_chart import LiveChart
from tui.widgets.numbers import Numbers
from tui.widgets.run_log import RunLog
from tui.widgets.step_line import StepLine
from tui.widgets.stretch_bar import StretchBar
from tui.widgets.top_bar import TopBar
from tui.words import STATE_SYMBOLS, first_line, took
from tunery.errors import TuneryError

if TYPE_CHECKING:
    from tui.app import TuneryApp

SECONDS_BETWEEN_LOOKS = 0.25
SECONDS_BETWEEN_LOOKS_WHEN_OVER = 1.0
SECONDS_BETWEEN_DRAWINGS = 0.5

# What can be drawn: title, and lines of (label, metric, theme colour).
CHARTS = (
    ("Loss", (("training", "loss", "primary"), ("validation", "validation_loss", "accent"))),
    ("Learning rate", (("learning rate", "learning_rate", "primary"),)),
    ("Gradient norm", (("gradient norm", "grad_norm", "primary"),)),
    ("Tokens a second", (("tokens a second", "tokens_per_second", "primary"),)),
)


class RunScreen(Screen[None]):
    """Attached to one run: a worker reads its new events and posts them; a timer draws them."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_for("run")
    CSS_PATH: ClassVar[list[str | PurePath]] = ["run.tcss", "../widgets/top_bar.tcss"]
    AUTO_FOCUS = "RunLog"

    class Heard(Message):
        """The run has news."""

        def __init__(self, news: RunNews) -> None:
            super().__init__()
            self.news = news

    class CannotHear(Message):
        """The run cannot be read, and why."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self.run_id = run_id
        self.run: RunView | None = None
        self.story = Story()
        self._chart = 0
        self._ended = threading.Event()

    @property
    def tunery(self) -> TuneryApp:
        return cast("TuneryApp", self.app)

    def compose(self) -> ComposeResult:
        yield TopBar(self.run_id, "reading …")
        yield StepLine()
        yield StretchBar()
        with Horizontal(id="figures"):
            yield LiveChart()
            yield Numbers()
        yield RunLog()
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self.set_interval(SECONDS_BETWEEN_DRAWINGS, self._draw)
        self._draw()
        self._keep_listening()

    def on_unmount(self) -> None:
        self._ended.set()

    @work(thread=True, group="listen")
    def _keep_listening(self) -> None:
        offset, last = 0, None
        while not self._ended.is_set():
            try:
                news = self.tunery.facade.watch(self.run_id, offset)
            except (TuneryError, OSError) as error:
                self.post_message(self.CannotHear(str(error)))
                return
            if news.events or news.run != last:
                self.post_message(self.Heard(news))
            offset, last = news.offset, news.run
            pause = SECONDS_BETWEEN_LOOKS if news.run.live else SECONDS_BETWEEN_LOOKS_WHEN_OVER
            self._ended.wait(pause)

    def on_run_screen_heard(self, message: Heard) -> None:
        changed = self.run is None or self.run.state != message.news.run.state
        self.run = message.news.run
        events = message.news.events
        self.story.read(events)
        lines = [line_of(event) for event in events if not is_number_of_a_step(event)]
        self.query_one(RunLog).add([line for line in lines if line])
        if changed:
            self.refresh_bindings()
            self._draw()

    def on_run_screen_cannot_hear(self, message: CannotHear) -> None:
        self.tunery.show_problem(message.text)

    def _draw(self) -> None:
        """Show what has been heard. Widgets draw nothing where nothing changed."""
        run = self.run
        self._draw_chart()
        self.query_one(Numbers).show(self.story, took(run.started, run.ended) if run else "-")
        if run is None:
            return
        self._draw_top(run)
        self.query_one(StepLine).show(run.steps)
        colour = "error" if run.state in ("failed", "lost") else "text-muted"
        self.query_one(StretchBar).show(self.story.stretch if run.live else None, sentence_for(run), colour)

    def _draw_top(self, run: RunView) -> None:
        colour = STATE_COLOURS.get(run.state, "$foreground")
        status = f"[{colour}]{STATE_SYMBOLS.get(run.state, '·')} {run.state}[/]"
        title = run.name if run.id.startswith(run.name) and run.id == run.name else f"{run.name}  {run.id}"
        self.query_one(TopBar).show(title, status)

    def _draw_chart(self) -> None:
        title, lines = CHARTS[self._chart]
        drawn = [(label, colour, self.story.points(metric)) for label, metric, colour in lines]
        self.query_one(LiveChart).show(title, drawn)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Keys that would do nothing now are not shown."""
        run = self.run
        needs: dict[str, Callable[[RunView], bool]] = {
            "stop": lambda run: run.live and run.state != "stopping",
            "checkpoint": lambda run: run.state == "running",
            "resume": lambda run: run.resumable,
            "data_inspect": lambda run: run.prepared,
            "data_tokens": lambda run: run.prepared,
            "report": lambda run: run.measured,
            "parity": lambda run: run.exported,
            "serve": lambda run: run.exported,
            "stop_server": lambda run: run.exported,
            "chat": lambda run: run.exported,
        }
        if action not in needs:
            return True
        return run is not None and needs[action](run)

    def action_stop(self) -> None:
        if self.run:
            self.tunery.deeds.stop(self.run)

    def action_checkpoint(self) -> None:
        self.tunery.deeds.checkpoint(self.run_id)

    def action_resume(self) -> None:
        self.tunery.deeds.resume(self.run_id)

    def action_data_inspect(self) -> None:
        self.tunery.deeds.dataset(self.run_id)

    def action_data_tokens(self) -> None:
        self.tunery.deeds.tokens(self.run_id)

    def action_report(self) -> None:
        self.tunery.deeds.report(self.run_id)

    def action_parity(self) -> None:
        self.tunery.deeds.parity(self.run_id)

    def action_serve(self) -> None:
        self.tunery.deeds.serve(self.run_id)

    def action_stop_server(self) -> None:
        self.tunery.deeds.stop_server(self.run_id)

    def action_chat(self) -> None:
        self.tunery.chat(self.run_id)

    def action_logs(self) -> None:
        self.toggle_class("-log-only")

    def action_next_metric(self) -> None:
        self._chart = (self._chart + 1) % len(CHARTS)
        self._draw_chart()


def sentence_for(run: RunView) -> str:
    """What to know about a run that is not at work on something countable."""
    if run.state == "failed":
        return first_line(run.error, 300)
    if run.state == "lost":
        return "The worker is gone without a word; Resume goes on from the last checkpoint."
    if run.state == "stopped":
        return "Stopped at a checkpoint; Resume goes on from there."
    if run.state == "stopping":
        return "It writes a checkpoint, then stops."
    if run.state == "done":
        if not run.exported:
            return "Done, as far as it was asked to go. Run the recipe again for the steps that are left."
        return "Done. Report (e) compares it with its base; Serve (v) and Chat (t) use it."
    if run.state == "queued":
        return "Waits for the run before it on this device."
    return f"At work on {run.step} …" if run.step else "Starting …"
