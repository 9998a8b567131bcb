"""The line in front of the engine: so many are answered, so many wait, the rest are sent away."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tunery.errors import TuneryError


class Busy(TuneryError):
    """The line is full; `retry_after` is a guess in whole seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"all places in the line are taken; try again in {retry_after} s")
        self.retry_after = retry_after


class Line:
    """Bounds what is in work at once. Belongs to one event loop; served in order of arrival."""

    def __init__(self, slots: int, max_waiting: int) -> None:
        self._slots = slots
        self._places = slots + max_waiting
        self._inside = 0
        self._free = asyncio.Semaphore(slots)
        self._usual_seconds = 1.0

    def check(self) -> None:
        """Raise Busy when nobody else fits in."""
        if self._inside >= self._places:
            ahead = max(1.0, (self._inside - self._slots) / self._slots)
            raise Busy(max(1, math.ceil(ahead * self._usual_seconds)))

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a slot and hold it. Raises Busy at once when the line is full."""
        self.check()
        self._inside += 1
        try:
            async with self._free:
                began = time.monotonic()
                yield
                self._usual_seconds += 0.1 * (time.monotonic() - began - self._usual_seconds)
        finally:
            self._inside -= 1
