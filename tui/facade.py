"""The one door from the app to core. Tests hand the app a fake one.

Every method is called from a worker thread, may take a moment, and raises
TuneryError with a sentence for people.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tui.views import HomeView, Page, RunNews, RunView, ServerView
from tui.words import seconds_of

if TYPE_CHECKING:
    from core.jobs.records import RunRecord


class Facade(Protocol):
    """What the app can ask for and ask to be done. A run is named by its id."""

    def home(self) -> HomeView: ...
    def watch(self, run_id: str, offset: int) -> RunNews: ...
    def init(self) -> Page: ...
    def check(self, recipe: str) -> Page: ...
    def inspect(self, recipe: str) -> Page: ...
    def dataset(self, run_id: str) -> Page: ...
    def tokens(self, run_id: str) -> Page: ...
    def run(self, recipe: str) -> str: ...
    def stop(self, run_id: str) -> None: ...
    def checkpoint(self, run_id: str) -> None: ...
    def resume(self, run_id: str) -> None: ...
    def report(self, run_id: str) -> Page: ...
    def parity(self, run_id: str) -> Page: ...
    def serve(self, run_id: str) -> ServerView: ...
    def stop_server(self, run_id: str) -> int: ...
    def servers(self) -> tuple[ServerView, ...]: ...
    def doctor(self) -> Page: ...
    def chat_command(self, run_id: str) -> list[str]: ...


class CoreFacade:
    """The real door."""

    def __init__(self, folder: Path | None = None) -> None:
        from core.workspace.home import find_workspace

        self.folder = folder or Path.cwd()
        self.workspace = find_workspace()

    def home(self) -> HomeView:
        from core.jobs.records import list_runs
        from core.jobs.recover import reap
        from tui.next_step import next_step

        reap(self.workspace)
        runs = tuple(view_of(record) for record in list_runs(self.workspace))
        recipe = "recipe.yaml" if (self.folder / "recipe.yaml").is_file() else None
        servers = self.servers()
        return HomeView(_short(self.workspace.root), recipe, runs, servers, next_step(recipe, runs, servers))

    def watch(self, run_id: str, offset: int) -> RunNews:
        from core.workspace.events import read_events
        from tui.curves import with_curves

        record = self._record(run_id)
        events, after = read_events(record.folder / "events.jsonl", offset)
        return RunNews(view_of(record), tuple(with_curves(self.workspace, events)), after)

    def init(self) -> Page:
        from core.recipe.starter import init_folder

        written = init_folder(self.folder)
        return Page("New recipe", "\n".join(["Written:", *(f"  {_short(path)}" for path in written)]))

    def check(self, recipe: str) -> Page:
        from core.doctor.recipe import check_recipe
        from core.recipe.load import load_recipe
        from tui.checking import check_text

        file = self.folder / recipe
        return Page(f"Check of {recipe}", check_text(check_recipe(load_recipe(file), file)))

    def inspect(self, recipe: str) -> Page:
        from core.jobs.prepared import inspect_recipe
        from core.recipe.load import load_recipe
        from tui.inspecting import report_text

        file = self.folder / recipe
        report = inspect_recipe(load_recipe(file), file.parent, self.workspace, lambda _: None)
        return Page(f"Data of {recipe}", report_text(report.to_json()), table=True)

    def dataset(self, run_id: str) -> Page:
        from tui.datasets import dataset_page

        return dataset_page(self.workspace, self._record(run_id))

    def tokens(self, run_id: str) -> Page:
        from tui.datasets import tokens_page

        return tokens_page(self.workspace, self._record(run_id))

    def run(self, recipe: str) -> str:
        from core.jobs.submit import submit
        from core.recipe.load import load_recipe

        file = self.folder / recipe
        return submit(load_recipe(file), file, self.workspace).id

    def stop(self, run_id: str) -> None:
        from core.jobs.control import request_stop

        request_stop(self._record(run_id))

    def checkpoint(self, run_id: str) -> None:
        from core.jobs.control import request_checkpoint

        request_checkpoint(self._record(run_id))

    def resume(self, run_id: str) -> None:
        from core.jobs import control

        control.resume(self.workspace, self._record(run_id))

    def report(self, run_id: str) -> Page:
        from tui.results import report_page

        return report_page(self.workspace, self._record(run_id))

    def parity(self, run_id: str) -> Page:
        from tui.results import parity_page

        return parity_page(self.workspace, self._record(run_id))

    def serve(self, run_id: str) -> ServerView:
        from tui import serving

        return serving.view_of(serving.start_for_run(self.workspace, self._record(run_id)))

    def stop_server(self, run_id: str) -> int:
        from tui.serving import stop_for_run

        return stop_for_run(self.workspace, self._record(run_id))

    def servers(self) -> tuple[ServerView, ...]:
        from tui.serving import running_servers

        return running_servers(self.workspace)

    def doctor(self) -> Page:
        from core.doctor.look import look
        from tui.findings import findings_text

        return Page("Doctor", findings_text(look(self.workspace)))

    def chat_command(self, run_id: str) -> list[str]:
        return [sys.executable, "-P", "-m", "tui.cli", "chat", run_id]

    def _record(self, run_id: str) -> RunRecord:
        from core.jobs.records import find_run

        return find_run(self.workspace, run_id)


def view_of(record: RunRecord) -> RunView:
    return RunView(
        id=record.id,
        name=record.name,
        state=record.state,
        step=record.step,
        progress=record.progress,
        started=seconds_of(record.started),
        ended=seconds_of(record.ended),
        error=record.error,
        steps=tuple((step.step, step.state) for step in record.steps),
    )


def _short(path: Path) -> str:
    """A path with the home folder as ~, or relative to the current folder where it lies in it."""
    for base, prefix in ((Path.cwd(), ""), (Path.home(), "~/")):
        if path.is_relative_to(base):
            return prefix + str(path.relative_to(base))
    return str(path)
