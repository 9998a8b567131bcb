"""One line of the parity certificate: what was checked, and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

EXAMPLES = 5


@dataclass(frozen=True)
class Check:
    """`name` says what was compared, `text` what was found, `examples` where it failed."""

    name: str
    ok: bool
    text: str
    examples: tuple[str, ...] = ()


def check_equal(name: str, parts: Sequence[tuple[str, object]]) -> Check:
    """All the named values are equal; the first is what the others should be."""
    (first, wanted), *others = parts
    wrong = [f"{place}: {value}" for place, value in others if value != wanted]
    places = ", ".join(place for place, _ in others)
    if not wrong:
        return Check(name, True, f"equal in {first}, {places}")
    return Check(name, False, f"{first} has {wanted}, another is in {', '.join(wrong)}", tuple(wrong))


def check_all(name: str, count: int, wrong: Sequence[str], *, what: str) -> Check:
    """None of `count` `what` is wrong; `wrong` names and explains those that are."""
    if not wrong:
        return Check(name, True, f"equal on {count} {what}")
    return Check(name, False, f"{len(wrong)} of {count} {what} differ: {wrong[0]}", tuple(wrong[:EXAMPLES]))
