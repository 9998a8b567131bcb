"""Rows that a model proposed are trained on only when a person has accepted them."""

from __future__ import annotations

from core.data.rows import Problem, RawRow

PROPOSED, ACCEPTED, REJECTED = "proposed", "accepted", "rejected"
# What a generated row holds besides its messages.
GENERATED_KEYS = frozenset({"source", "support", "state", "kind", "ask", "model", "edited"})


def is_generated(row: RawRow) -> bool:
    """Whether a model proposed the row; a column of the user's own may be called state, too."""
    value = row.value
    source = value.get("source")
    return "state" in value and "messages" in value and isinstance(source, dict) and "document" in source


def state_problem(row: RawRow) -> Problem | None:
    """Why a generated row is not for training; None for accepted ones and for every other row."""
    if not is_generated(row):
        return None
    state = row.value["state"]
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
