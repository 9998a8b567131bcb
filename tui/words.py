"""Times, durations and numbers as people read them; used by both faces."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

# One symbol for each state, so that it is told without colour as well.
STATE_SYMBOLS = {
    "queued": "◌",
    "starting": "◌",
    "running": "●",
    "stopping": "◍",
    "stopped": "■",
    "done": "✓",
    "failed": "✗",
    "lost": "?",
    "skipped": "✓",
    "waiting": "·",
}
LIVE_STATES = frozenset({"queued", "starting", "running", "stopping"})
RESUMABLE_STATES = frozenset({"stopped", "failed", "lost"})


def seconds_of(moment: Any) -> float | None:
    """Unix seconds of a time that is a number or ISO 8601 text; None for none."""
    if moment is None or moment == "":
        return None
    if isinstance(moment, int | float):
        return float(moment)
    return datetime.fromisoformat(str(moment)).timestamp()


def when(moment: Any) -> str:
    """A time for people: "14:03" today, "12 May 14:03" otherwise, "-" for none."""
    stamp = seconds_of(moment)
    if stamp is None:
        return "-"
    local = datetime.fromtimestamp(stamp)
    today = datetime.fromtimestamp(time.time()).date()
    return local.strftime("%H:%M" if local.date() == today else "%d %b %H:%M")


def duration(seconds: float | None) -> str:
    """75 -> "1m 15s"."""
    if seconds is None or seconds < 0:
        return "-"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02}m"


def took(started: Any, ended: Any) -> str:
    """How long from `started` to `ended`, or to now."""
    first, last = seconds_of(started), seconds_of(ended)
    if first is None:
        return "-"
    return duration((last or time.time()) - first)


def number(value: float | None) -> str:
    """Four figures that matter: 0.00034 -> "3.4e-04", 1.2345 -> "1.234", 12345 -> "12,345"."""
    if value is None:
        return "-"
    size = abs(value)
    if value == int(value) and (size == 0 or 10 <= size < 100_000):
        return f"{value:,.0f}"
    if size < 0.001:
        return f"{value:.1e}"
    if size < 10:
        return f"{value:.3f}"
    if size < 1000:
        return f"{value:.1f}"
    if value >= 100_000:
        return f"{value / 1e6:.2f} M" if value >= 1e6 else f"{value / 1e3:.0f} k"
    return f"{value:,.0f}"


def percent(share: float | None) -> str:
    """0.42 -> "42 %"."""
    return "-" if share is None else f"{100 * share:.0f} %"


def first_line(text: str | None, width: int) -> str:
    """The beginning of a text, cut with an ellipsis."""
    line = (text or "").strip().split("\n", 1)[0]
    return line if len(line) <= width else line[: max(width - 1, 0)] + "…"
