"""A facade without core: runs and events made up here, so that every state can be shown."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from tui.datasets import streams_page
from tui.inspecting import report_text
from tui.next_step import next_step
from tui.tokens import Piece, Stream
from tui.views import HomeView, Page, RunNews, RunView, ServerView
from tunery.errors import NotThere

NOON = 1_780_000_000.0

REPORT = {
    "rows": 609,
    "usable": 606,
    "sources": [
        {
            "path": "data/conversations.jsonl",
            "format": "messages",
            "file_format": "jsonl",
            "detected": True,
            "rows": 609,
            "usable": 606,
            "findings": [
                {
                    "code": "unanswered",
                    "severity": "error",
                    "count": 3,
                    "examples": [{"line": 214, "text": "the conversation ends with a user turn"}],
                    "fix": "add the answer, or set data.clean.unanswered: drop",
                },
                {
                    "code": "duplicate",
                    "severity": "warning",
                    "count": 14,
                    "examples": [{"line": 377, "text": "like line 87"}],
                    "fix": "set data.clean.duplicates: drop, unless copies are meant to count more",
                },
            ],
        }
    ],
    "lengths": {"unit": "characters", "edges": [0, 64, 128, 256, 512], "counts": [0, 116, 285, 205]},
}


def _pieces(*parts: tuple[str, bool]) -> tuple[Piece, ...]:
    return tuple(Piece(0, text, trained, text.startswith("<|")) for text, trained in parts)


STREAMS = [
    Stream(
        "train",
        1,
        486,
        "data/conversations.jsonl",
        46,
        _pieces(
            *(("<|im_start|>", False), ("user", False), ("\n", False), ("can", False), (" cats", False)),
            *((" come", False), ("<|im_end|>", False), ("\n", False), ("<|im_start|>", False)),
            *(("ass", False), ("istant", False), ("\n", False), ("No", True), (",", True), (" cats", True)),
            *((" cannot", True), (" stay", True), (".", True), ("<|im_end|>", True), ("\n", False)),
        ),
        padding=31,
    )
]


class FakeFacade:
    """Holds runs and their events; `asked` lists what the app asked to be done."""

    def __init__(self, runs: tuple[RunView, ...] = (), recipe: str | None = "recipe.yaml") -> None:
        self.runs = list(runs)
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.recipe = recipe
        self.started_servers: list[ServerView] = []
        self.asked: list[tuple[str, ...]] = []
        self.problem: Exception | None = None

    def home(self) -> HomeView:
        if self.problem:
            raise self.problem
        runs, servers = tuple(self.runs), tuple(self.started_servers)
        return HomeView(".tunery", self.recipe, runs, servers, next_step(self.recipe, runs, servers))

    def watch(self, run_id: str, offset: int) -> RunNews:
        events = self.events.get(run_id, [])
        return RunNews(self._run(run_id), tuple(events[offset:]), len(events))

    def init(self) -> Page:
        self.asked.append(("init",))
        self.recipe = "recipe.yaml"
        return Page("New recipe", "Written: recipe.yaml")

    def check(self, recipe: str) -> Page:
        self.asked.append(("check", recipe))
        return Page("Check", "This recipe can run.")

    def inspect(self, recipe: str) -> Page:
        self.asked.append(("inspect", recipe))
        return Page(f"Data of {recipe}", report_text(REPORT), table=True)

    def dataset(self, run_id: str) -> Page:
        self._do("dataset", run_id)
        return Page("Data of fennjoch", report_text(REPORT), table=True)

    def tokens(self, run_id: str) -> Page:
        self._do("tokens", run_id)
        return streams_page("fennjoch", run_id, STREAMS)

    def run(self, recipe: str) -> str:
        self.asked.append(("run", recipe))
        self.runs.insert(0, RunView("new-0001", "new", "running", "prepare", started=NOON))
        return "new-0001"

    def stop(self, run_id: str) -> None:
        self._do("stop", run_id)

    def checkpoint(self, run_id: str) -> None:
        self._do("checkpoint", run_id)

    def resume(self, run_id: str) -> None:
        self._do("resume", run_id)

    def report(self, run_id: str) -> Page:
        self._do("report", run_id)
        return Page("Report", "Tuned is better.")

    def parity(self, run_id: str) -> Page:
        self._do("parity", run_id)
        return Page("Parity", "q8_0: token ids equal")

    def serve(self, run_id: str) -> ServerView:
        self._do("serve", run_id)
        server = ServerView("s-1", self._run(run_id).name, "ready", "http://127.0.0.1:8080")
        self.started_servers.append(server)
        return server

    def stop_server(self, run_id: str) -> int:
        self._do("stop_server", run_id)
        count = len(self.started_servers)
        self.started_servers.clear()
        return count

    def servers(self) -> tuple[ServerView, ...]:
        self.asked.append(("servers",))
        return tuple(self.started_servers)

    def doctor(self) -> Page:
        self.asked.append(("doctor",))
        return Page("Doctor", "✓ Python 3.11.7")

    def chat_command(self, run_id: str) -> list[str]:
        self._do("chat", run_id)
        return ["true"]

    def change(self, run_id: str, **changes: Any) -> None:
        """The run's record says something else from now on."""
        self.runs = [replace(run, **changes) if run.id == run_id else run for run in self.runs]

    def _do(self, *what: str) -> None:
        if self.problem:
            raise self.problem
        self.asked.append(what)

    def _run(self, run_id: str) -> RunView:
        run = next((run for run in self.runs if run.id == run_id), None)
        if run is None:
            raise NotThere(f"there is no run {run_id}; `tunery runs` lists them")
        return run


STEPS = ("prepare", "train[0]", "export[0]", "evaluate")


def steps_at(step: str, state: str) -> tuple[tuple[str, str], ...]:
    """The states of all steps when `step` is in `state`."""
    place = STEPS.index(step)
    states = ["done"] * place + [state] + ["waiting"] * (len(STEPS) - place - 1)
    return tuple(zip(STEPS, states, strict=True))


def training_events(steps: int, of: int) -> list[dict[str, Any]]:
    """What a run reports from its start to training step `steps`."""
    clock = iter(range(10**6))

    def event(kind: str, step: str | None, **body: Any) -> dict[str, Any]:
        return {"time": NOON + next(clock), "kind": kind, "step": step, **body}

    events = [
        event("step_started", "prepare", fingerprint="f" * 16),
        event("log", "prepare", text="609 rows read as messages from conversations.jsonl"),
        event("warning", "prepare", text="3 rows are longer than 512 tokens and are left out"),
        event("artifact", "prepare", artifact="dataset/ffff", path="artifacts/dataset/ffff"),
        event("step_finished", "prepare", seconds=4.2),
        event("step_started", "train[0]", fingerprint="e" * 16),
    ]
    for at in range(1, steps + 1):
        loss = 0.6 + 2.2 * math.exp(-at / 60) + 0.12 * math.sin(at * 1.7) * math.cos(at / 3)
        figures = {
            "loss": loss,
            "grad_norm": 0.8 + 0.3 * math.sin(at),
            "learning_rate": 5e-4 * 0.5 * (1 + math.cos(math.pi * at / of)),
            "tokens_per_second": 560.0 + 20 * math.sin(at / 5),
            "trained_tokens": at * 300,
            "memory_bytes": 1.9e9,
        }
        events.append(event("metric", "train[0]", at=at, metrics=figures))
        events.append(event("progress", "train[0]", what="steps", done=at, of=of, eta=(of - at) * 1.4))
        if at % 40 == 0:
            validation = {"validation_loss": 0.75 + 2.1 * math.exp(-at / 60)}
            events.append(event("metric", "train[0]", at=at, metrics=validation))
    return events


@pytest.fixture(autouse=True)
def steady_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times on the screen do not depend on when or where the tests run."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr("tui.words.time", SimpleNamespace(time=lambda: NOON + 300))


@pytest.fixture
def live() -> FakeFacade:
    """One run in the middle of training, and an older one that is done."""
    run = RunView(
        "fennjoch-7f3a",
        "fennjoch",
        "running",
        "train[0]",
        0.6,
        NOON,
        None,
        None,
        steps_at("train[0]", "running"),
    )
    older = RunView(
        "fennjoch-02bc",
        "fennjoch",
        "done",
        None,
        1.0,
        NOON - 9000,
        NOON - 8100,
        None,
        steps_at("evaluate", "done"),
    )
    facade = FakeFacade((run, older))
    facade.events[run.id] = training_events(180, 300)
    return facade


@pytest.fixture
def done() -> FakeFacade:
    """One run that is done."""
    run = RunView(
        "fennjoch-02bc",
        "fennjoch",
        "done",
        None,
        1.0,
        NOON - 9000,
        NOON - 8100,
        None,
        steps_at("evaluate", "done"),
    )
    facade = FakeFacade((run,))
    facade.events[run.id] = [
        *training_events(300, 300),
        {"time": NOON + 1000, "kind": "step_finished", "step": "train[0]", "seconds": 402.0},
        {"time": NOON + 1200, "kind": "done", "step": None, "exit_code": 0},
    ]
    return facade


@pytest.fixture
def failed() -> FakeFacade:
    """One run that failed in training."""
    error = "train[0] ran out of memory; set train.micro_batch to 1 or lower train.max_length"
    run = RunView(
        "fennjoch-99ab",
        "fennjoch",
        "failed",
        "train[0]",
        0.1,
        NOON,
        NOON + 60,
        error,
        steps_at("train[0]", "failed"),
    )
    facade = FakeFacade((run,))
    facade.events[run.id] = [
        *training_events(24, 300),
        {"time": NOON + 60, "kind": "failed", "step": "train[0]", "error": error, "exit_code": 1},
    ]
    return facade


@pytest.fixture
def empty() -> FakeFacade:
    """A folder without a recipe, and a workspace without runs."""
    return FakeFacade(recipe=None)
