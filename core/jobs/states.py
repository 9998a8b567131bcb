"""The states of a run, and which may follow which."""

from __future__ import annotations

from typing import Literal, get_args

from tunery.errors import TuneryError

State = Literal["queued", "starting", "running", "stopping", "stopped", "done", "failed", "lost"]

STATES: tuple[State, ...] = get_args(State)
# A process is at work.
ACTIVE: frozenset[State] = frozenset({"starting", "running", "stopping"})
ENDED: frozenset[State] = frozenset({"stopped", "done", "failed", "lost"})
RESUMABLE: frozenset[State] = frozenset({"stopped", "failed", "lost"})

FOLLOWS: dict[State, frozenset[State]] = {
    "queued": frozenset({"starting", "stopped", "failed"}),
    "starting": frozenset({"running", "stopping", "stopped", "failed", "lost"}),
    "running": frozenset({"stopping", "stopped", "done", "failed", "lost"}),
    "stopping": frozenset({"stopped", "done", "failed", "lost"}),
    "stopped": frozenset({"queued"}),
    "failed": frozenset({"queued"}),
    "lost": frozenset({"queued"}),
    "done": frozenset(),
}


def check_follows(before: State, after: State) -> None:
    """Raise TuneryError unless a run may go from `before` to `after`; staying is always allowed."""
    if before != after and after not in FOLLOWS[before]:
        raise TuneryError(
            f"a run that is {before} cannot become {after}; this is a mistake in Tunery: report it"
        )
