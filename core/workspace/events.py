"""A run's events: append-only JSON lines, the only thing that viewers read.

Every event is one line `{"time": ..., "kind": ..., "step": ..., ...}` in
`runs/<id>/events.jsonl`, written with a single `write` on a descriptor opened
with O_APPEND, so that the worker and a step's child can write to one file.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar


@dataclass(frozen=True, kw_only=True)
class Event:
    """What happened in a run. `step` is like "train[0]", or None for the whole run."""

    kind: ClassVar[str] = ""
    step: str | None = None
    time: float = field(default_factory=time.time)

    def to_json(self) -> dict[str, Any]:
        """The JSON object of this event; numbers that JSON cannot hold become null."""
        body = {item.name: _plain(getattr(self, item.name)) for item in fields(self)}
        return {
            "time": round(self.time, 3),
            "kind": self.kind,
            **{k: v for k, v in body.items() if k != "time"},
        }


@dataclass(frozen=True, kw_only=True)
class StepStarted(Event):
    kind = "step_started"
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class StepSkipped(Event):
    """An artifact with an equal fingerprint is there already."""

    kind = "step_skipped"
    fingerprint: str
    artifact: str


@dataclass(frozen=True, kw_only=True)
class StepFinished(Event):
    kind = "step_finished"
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Progress(Event):
    """`done` of `of` units of `what`, such as 120 of 400 "rows". `eta` is in seconds."""

    kind = "progress"
    what: str
    done: int
    of: int
    eta: float | None = None


@dataclass(frozen=True, kw_only=True)
class Metric(Event):
    """Numbers at one position `at` inside a step, such as an optimizer step."""

    kind = "metric"
    at: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Log(Event):
    kind = "log"
    text: str


@dataclass(frozen=True, kw_only=True)
class Sample(Event):
    """A prompt and what the model answered, for people to read."""

    kind = "sample"
    prompt: str
    answer: str
    subject: str


@dataclass(frozen=True, kw_only=True)
class ArtifactMade(Event):
    kind = "artifact"
    artifact: str
    path: str


@dataclass(frozen=True, kw_only=True)
class Warned(Event):
    kind = "warning"
    text: str


@dataclass(frozen=True, kw_only=True)
class RunStopped(Event):
    kind = "stopped"
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class RunResumed(Event):
    """The run, or a step in it, goes on from position `at`."""

    kind = "resumed"
    at: int | None = None


@dataclass(frozen=True, kw_only=True)
class RunFailed(Event):
    kind = "failed"
    error: str
    error_class: str
    exit_code: int


@dataclass(frozen=True, kw_only=True)
class RunDone(Event):
    kind = "done"
    exit_code: int = 0


Emit = Callable[[Event], None]


class EventLog:
    """Appends events to one run's `events.jsonl`. Safe between processes and threads."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, event: Event) -> None:
        line = json.dumps(event.to_json(), ensure_ascii=True) + "\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)

    def for_step(self, step: str) -> Emit:
        """An emit that fills in the step of events that name none."""

        def emit(event: Event) -> None:
            self.append(replace(event, step=event.step or step))

        return emit


def read_events(path: Path, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    """Events from byte `offset` on, and the offset to go on from.

    A last line without its newline is left for the next call; a line that is not
    JSON (a torn write of a killed process) is passed over.
    """
    try:
        with open(path, "rb") as handle:
            handle.seek(offset)
            chunk = handle.read()
    except FileNotFoundError:
        return [], offset
    whole = chunk[: chunk.rfind(b"\n") + 1]
    return list(_parse_lines(whole)), offset + len(whole)


def _parse_lines(chunk: bytes) -> Iterator[dict[str, Any]]:
    for line in chunk.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and "kind" in event:
            yield event


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return value
