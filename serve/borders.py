"""Where a stretch of a rendered conversation ends among its tokens.

What is trained must begin exactly where the model will be asked to begin: the tokens
before a border have to be the very tokens that the text before it has when it stands
alone. A control token is cut out of the text before anything else looks at it, so what
stands before it has the same tokens whatever follows. Only the few characters between
the last control token and the border have to be compared, and those are mostly the
template's own and always the same. Where control tokens are cut out in other ways, the
whole text before the border is encoded anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from serve.look_alikes import Mark, Swap

# Different stretches between control token and border that are remembered; most templates have one or two.
_REMEMBERED = 256

Encode = Callable[[str], list[int]]


@dataclass(frozen=True)
class Sheet:
    """What the template wrote, its marks, its ids, and where among the ids the control tokens stand.

    `places` is None where that cannot be told: some text became a control token's id.
    """

    raw: str
    marks: Sequence[Mark]
    ids: list[int]
    places: list[int] | None


class Borders:
    """Finds borders. `encode` takes a text in which control tokens are spelled as placeholders."""

    def __init__(self, encode: Encode, swap: Swap, document: Mapping[str, Any]) -> None:
        self._encode = encode
        self._swap = swap
        self._ids = frozenset(swap.controls.values())
        self._cut_out_first = all(
            not (token.get("normalized") or token.get("single_word"))
            for token in document["added_tokens"]
            if token["content"] in swap.controls
        )
        self._stretch = lru_cache(_REMEMBERED)(self._encode_stretch)

    def sheet(self, raw: str, marks: Sequence[Mark], ids: list[int]) -> Sheet:
        controls = self._ids
        places = [place for place, number in enumerate(ids) if number in controls]
        written = [mark.id for mark in marks if mark.id is not None]
        same = self._cut_out_first and [ids[place] for place in places] == written
        return Sheet(raw, marks, ids, places if same else None)

    def find(self, sheet: Sheet, position: int) -> int | None:
        """How many tokens the first `position` characters are; None where they are others alone."""
        quick = self._find_by_controls(sheet, position)
        return self._find_by_all(sheet, position) if quick is None else quick

    def _find_by_controls(self, sheet: Sheet, position: int) -> int | None:
        last, count = None, 0
        for mark in sheet.marks:
            if mark.start >= position:
                break
            if mark.end > position:
                return None
            if mark.id is not None:
                last, count = mark, count + 1
        if last is None or sheet.places is None:
            return None
        begin = sheet.places[count - 1]
        head = self._stretch(sheet.raw[last.start : position])
        end = begin + len(head)
        return end if sheet.ids[begin:end] == head else None

    def _encode_stretch(self, raw: str) -> list[int]:
        return self._encode(self._swap.exchange(raw)[0])

    def _find_by_all(self, sheet: Sheet, position: int) -> int | None:
        head = self._encode_stretch(sheet.raw[:position])
        return len(head) if sheet.ids[: len(head)] == head else None
