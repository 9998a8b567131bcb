"""Rows that a model proposed are trained on only when a person has accepted them."""

from __future__ import annotations

from core.data.rows import Problem, RawRow

PROPOSED, ACCEPTED, REJECTED = "proposed", "accepted", "rejected"
# What a generated row holds besides its messages.
GENERATED_KEYS = frozenset({"source", "support", "state", "kind", "ask", "model", "edited"})


def state_problem(row: RawRow) -> Problem | None:
    """Why a generated row is not for training; None for accepted ones and for every other row."""
    value = row.value
    if "state" not in value or "messages" not in value:
        return None
    source = value.get("source")
    if not isinstance(source, dict) or "document" not in source:
        return None  # A column of the user's own that happens to be called state.
    state = value["state"]
    if state == ACCEPTED:
        return None
    if state == REJECTED:
        return Problem(
            "rejected",
            row.place,
            "a person rejected this generated row",
            "it is left out of training",
        )
    return Problem(
        "proposed",
        row.place,
        "a model proposed this row and nobody has accepted it",
        f"look at it with `tunery data review {row.place.file}`",
    )
