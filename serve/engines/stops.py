"""Stop strings in a stream: nothing of one is ever sent, and nothing else is lost.

llama.cpp holds text back that may become a stop string, and drops it when the answer
ends by length instead; so streams are watched here.
"""

from __future__ import annotations

from collections.abc import Sequence


class StopWatch:
    """Passes text on as soon as it cannot be the beginning of a stop string."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""

    def add(self, text: str) -> tuple[str, bool]:
        """Text that may be sent now, and whether a stop string was found just behind it."""
        self._held += text
        found = [at for at in (self._held.find(stop) for stop in self._stops) if at >= 0]
        if found:
            return self._held[: min(found)], True
        keep = max((_overlap(self._held, stop) for stop in self._stops), default=0)
        sent, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return sent, False

    def rest(self) -> str:
        """What was held back when the answer ended without a stop string."""
        return self._held


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that begins `stop`."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)
