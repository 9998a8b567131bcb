"""Watch a run. A viewer only reads: whatever happens to it changes nothing for the run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from core.jobs.records import RunRecord, read_record
from core.workspace.events import read_events


def follow(record: RunRecord, offset: int = 0, *, poll: float = 0.2) -> Iterator[dict[str, Any]]:
    """The run's events from byte `offset` of `events.jsonl` on, until the run ends.

    `poll` is how many seconds pass between two looks.
    """
    path = record.folder / "events.jsonl"
    while True:
        # The state first: an ended run has written all its events.
        over = read_record(record.folder).over
        events, offset = read_events(path, offset)
        yield from events
        if over:
            return
        if not events:
            time.sleep(poll)
