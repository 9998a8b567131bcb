"""What the app's widgets are given to show. They read no files and know no database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tui.words import LIVE_STATES, RESUMABLE_STATES

if TYPE_CHECKING:
    from rich.text import Text


@dataclass(frozen=True)
class RunView:
    """A run as its record says; `progress` is a share, times are Unix seconds."""

    id: str
    name: str
    state: str
    step: str | None = None
    progress: float | None = None
    started: float | None = None
    ended: float | None = None
    error: str | None = None
    steps: tuple[tuple[str, str], ...] = ()

    @property
    def live(self) -> bool:
        return self.state in LIVE_STATES

    @property
    def prepared(self) -> bool:
        """Whether its data is there to look at."""
        return self._finished("prepare")

    @property
    def measured(self) -> bool:
        """Whether there is a report to read."""
        return self._finished("evaluate")

    @property
    def exported(self) -> bool:
        """Whether there is a model to serve and to talk to."""
        return self._finished("export[")

    @property
    def resumable(self) -> bool:
        return self.state in RESUMABLE_STATES

    def _finished(self, kind: str) -> bool:
        return any(step.startswith(kind) and state in ("done", "skipped") for step, state in self.steps)


@dataclass(frozen=True)
class ServerView:
    """A server that was started here; `run` is the name or id that it serves."""

    id: str
    name: str
    state: str
    url: str


@dataclass(frozen=True)
class NextStep:
    """What a person most likely wants now.

    `action` is an id of the actions table, `target` a run or a file.
    """

    title: str
    about: str
    action: str
    button: str
    target: str = ""


@dataclass(frozen=True)
class HomeView:
    """Everything on the Home screen. `recipe` is the recipe of the current folder, if there is one."""

    workspace: str
    recipe: str | None
    runs: tuple[RunView, ...]
    servers: tuple[ServerView, ...]
    next: NextStep


@dataclass(frozen=True)
class RunNews:
    """A run as it is now, and the events since `offset` was read; `offset` is where to go on."""

    run: RunView
    events: tuple[Mapping[str, Any], ...]
    offset: int


@dataclass(frozen=True)
class Page:
    """A text to read, plain or with colours. The lines of a `table` are not wrapped."""

    title: str
    text: str | Text
    table: bool = False
