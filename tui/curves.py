"""The curves of a training that was done by an earlier run, as if they were this run's events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from core.workspace.home import Workspace

CURVES_FILE = "curves.jsonl"


def with_curves(workspace: Workspace, events: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The events, and after a skipped step the numbers that its artifact kept."""
    for event in events:
        yield event
        if event.get("kind") == "step_skipped":
            yield from _numbers(workspace.artifacts / str(event.get("artifact")) / CURVES_FILE, event)


def _numbers(path: Path, event: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        figures = json.loads(line)
        at = figures.pop("at")
        yield {
            "time": event.get("time", 0),
            "kind": "metric",
            "step": event.get("step"),
            "at": at,
            "metrics": figures,
        }
