"""What a run's events tell so far, for the app and for `tunery attach`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tui.metrics import sentence
from tui.words import duration

Point = tuple[int, float]


@dataclass(frozen=True)
class Stretch:
    """How far a step is: `done` of `of` units of `what`; `eta` in seconds."""

    what: str
    done: int
    of: int
    eta: float | None = None

    @property
    def share(self) -> float:
        return min(self.done / self.of, 1.0) if self.of else 0.0


@dataclass
class Story:
    """Grows with every event that `read` is given.

    `series` maps a step and a metric to its points; a resumed step that repeats a
    position replaces what stood there. `latest` holds the newest value of each metric
    of the training that reported last.
    """

    step: str | None = None
    stretch: Stretch | None = None
    series: dict[tuple[str, str], list[Point]] = field(default_factory=dict)
    latest: dict[str, float] = field(default_factory=dict)
    at: int | None = None
    metric_step: str | None = None
    warnings: list[str] = field(default_factory=list)
    artifacts: dict[str, str] = field(default_factory=dict)
    events: int = 0

    def read(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Take in events."""
        for event in events:
            self._take(event)

    def points(self, metric: str) -> list[Point]:
        """The points of `metric` of the step that reported numbers last."""
        return self.series.get((self.metric_step or "", metric), [])

    def metrics(self) -> list[str]:
        """The metrics that can be drawn now, in the order in which they came."""
        return [metric for step, metric in self.series if step == self.metric_step]

    def _take(self, event: Mapping[str, Any]) -> None:
        self.events += 1
        kind, step = event.get("kind"), event.get("step")
        if kind == "step_started":
            self.step, self.stretch = step, None
        elif kind == "progress":
            done, of = int(event.get("done", 0)), int(event.get("of", 0))
            self.stretch = Stretch(str(event.get("what", "")), done, of, event.get("eta"))
        elif kind == "metric":
            self._take_metric(str(step), event)
        elif kind == "warning":
            self.warnings.append(str(event.get("text", "")))
        elif kind == "artifact":
            self.artifacts[str(step)] = str(event.get("path", ""))
        elif kind in ("step_finished", "step_skipped", "done", "failed", "stopped"):
            self.stretch = None

    def _take_metric(self, step: str, event: Mapping[str, Any]) -> None:
        # Only training has a curve; what other steps measure is in the log.
        if not step.startswith("train"):
            return
        at = int(event.get("at", 0))
        if self.metric_step != step:
            self.metric_step, self.latest = step, {}
        self.at = at
        for name, value in event.get("metrics", {}).items():
            if not isinstance(value, int | float):
                continue
            self.latest[name] = value
            points = self.series.setdefault((step, name), [])
            while points and points[-1][0] >= at:
                points.pop()
            points.append((at, float(value)))


def is_number_of_a_step(event: Mapping[str, Any]) -> bool:
    """Whether an event holds the numbers of one training step: for charts, too many for a log."""
    training = event.get("kind") == "metric" and str(event.get("step")).startswith("train")
    return training and "validation_loss" not in event.get("metrics", {})


def line_of(event: Mapping[str, Any]) -> str | None:
    """One log line for an event; None for what is shown elsewhere, such as progress."""
    text = _sentence(event)
    if text is None:
        return None
    clock = time.strftime("%H:%M:%S", time.localtime(float(event.get("time", 0))))
    step = event.get("step")
    return f"{clock} {step + ': ' if step else ''}{text}"


def _sentence(event: Mapping[str, Any]) -> str | None:
    match event.get("kind"):
        case "step_started":
            return "started"
        case "step_skipped":
            return "is there already, skipped"
        case "step_finished":
            return f"finished in {duration(event.get('seconds'))}"
        case "metric":
            where = f"at {event.get('at')}: " if str(event.get("step")).startswith("train") else ""
            return where + sentence(event.get("metrics", {}))
        case "log":
            return str(event.get("text", ""))
        case "warning":
            return f"warning: {event.get('text', '')}"
        case "sample":
            return (
                f"{event.get('subject')} was asked {event.get('prompt')!r} and said {event.get('answer')!r}"
            )
        case "artifact":
            kind, _, fingerprint = str(event.get("artifact")).partition("/")
            return f"made {kind}/{fingerprint[:12]}"
        case "resumed":
            return "goes on" if event.get("at") is None else f"goes on from {event.get('at')}"
        case "stopped":
            return "stopped" + (f": {event['text']}" if event.get("text") else "")
        case "failed":
            return f"failed: {event.get('error')}"
        case "done":
            return "done"
        case _:
            return None
