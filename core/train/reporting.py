"""What a training tells: events for viewers, and every step's figures in `curves.jsonl`."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path

from core.workspace.events import Emit, Metric, Progress
from tunery.files import write_text_whole

POINTS = 500
SECONDS_BETWEEN = 0.5


class Curves:
    """`curves.jsonl`: one line `{"at": step, ...figures}` for every optimizer step and validation.

    A resumed training cuts the file back to its checkpoint, so that each step is there
    once, in order, however often the process was killed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def cut(self, step: int, *, validated: bool = True) -> None:
        """Drop all lines after `step`, a half-written last one, and its validation if not `validated`."""
        lines = [line for line in self._lines() if line["at"] <= step]
        kept = [line for line in lines if validated or line["at"] < step or "validation_loss" not in line]
        write_text_whole(self.path, "".join(json.dumps(line) + "\n" for line in kept))

    def add(self, at: int, figures: Mapping[str, float]) -> None:
        with open(self.path, "a", encoding="utf-8") as handle:
            handle.write(json.dumps({"at": at, **figures}) + "\n")

    def flush(self) -> None:
        """Put all lines on the disk; done before a checkpoint that relies on them."""
        with open(self.path, "ab") as handle:
            os.fsync(handle.fileno())

    def _lines(self) -> list[dict[str, float]]:
        if not self.path.is_file():
            return []
        lines = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:
                continue
        return lines


class Reporter:
    """Sends a step's figures to the curves, and to viewers as events.

    Viewers get at least `POINTS` points of a run, evenly; beyond those no more than one
    in `SECONDS_BETWEEN`, so that a fast training does not flood the event log.
    """

    def __init__(self, emit: Emit, curves: Curves, steps: int) -> None:
        self._emit = emit
        self._curves = curves
        self._steps = steps
        self._stride = max(1, math.ceil(steps / POINTS))
        self._last_event = 0.0
        self._began = time.monotonic()
        self._first = 0

    def begin(self, step: int, *, validated: bool) -> None:
        """Training goes on after `step`; the time left is reckoned from here."""
        self._first = step
        self._began = time.monotonic()
        self._curves.cut(step, validated=validated)

    def step(self, at: int, figures: Mapping[str, float]) -> None:
        self._curves.add(at, figures)
        now = time.monotonic()
        if at % self._stride and at != self._steps and now - self._last_event < SECONDS_BETWEEN:
            return
        self._last_event = now
        left = (now - self._began) / max(1, at - self._first) * (self._steps - at)
        self._emit(Metric(at=at, metrics=figures))
        self._emit(Progress(what="steps", done=at, of=self._steps, eta=round(left, 1)))

    def validated(self, at: int, figures: Mapping[str, float]) -> None:
        self._curves.add(at, figures)
        self._emit(Metric(at=at, metrics=figures))

    def flush(self) -> None:
        self._curves.flush()
