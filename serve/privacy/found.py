"""What the detector reports: where personal data or a secret stands, never what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["secret", "email", "iban", "card", "ip", "phone", "person", "place"]
# In the order in which they are looked for: what has a checksum or a prefix comes before what has a shape.
KINDS: tuple[Kind, ...] = get_args(Kind)

# Stands for what was found already. No pattern matches it and none reaches across it; being ASCII, it keeps
# a text in the form that is searched fastest.
HIDDEN = "\0"


@dataclass(frozen=True, order=True, slots=True)
class Found:
    """A half-open span of a text. `detail` says which sort of its kind, such as "github token" or "visa"."""

    start: int
    end: int
    kind: Kind
    detail: str


Finder = Callable[[str], Iterator[Found]]


def hide(text: str, found: Iterable[Found]) -> str:
    """The text with every span overwritten; all other positions stay what they were."""
    pieces, at = [], 0
    for span in found:
        pieces += [text[at : span.start], HIDDEN * (span.end - span.start)]
        at = span.end
    return "".join([*pieces, text[at:]])
