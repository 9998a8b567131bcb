"""Placeholders such as <EMAIL_1>: one a value, the same one wherever the value comes again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from serve.privacy.found import KINDS, Found, Kind

PLACEHOLDER = re.compile(rf"<({'|'.join(KINDS).upper()})_([0-9]{{1,9}})>")


class Placeholders:
    """The placeholders of one conversation.

    Those that stand in its texts already keep their numbers: a new value gets a higher one.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._numbers: dict[tuple[str, str], int] = {}
        self._last: dict[str, int] = {}
        for text in texts:
            for name, number in PLACEHOLDER.findall(text):
                self._last[name] = max(self._last.get(name, 0), int(number))

    def put(self, text: str, found: Sequence[Found]) -> str:
        """The text with every span of `found`, which are in order, replaced."""
        pieces, at = [], 0
        for span in found:
            pieces += [text[at : span.start], self._placeholder(span.kind, text[span.start : span.end])]
            at = span.end
        return "".join([*pieces, text[at:]])

    def _placeholder(self, kind: Kind, value: str) -> str:
        name = kind.upper()
        key = name, same_as(kind, value)
        if key not in self._numbers:
            self._last[name] = self._numbers[key] = self._last.get(name, 0) + 1
        return f"<{name}_{self._numbers[key]}>"


def same_as(kind: Kind, value: str) -> str:
    """The form that two spellings of one value have in common."""
    if kind == "phone":
        from serve.privacy.phone import subscriber

        return subscriber(value)
    if kind in {"iban", "card"}:
        return re.sub(r"[^A-Za-z0-9]", "", value).upper()
    if kind in {"email", "ip"}:
        return value.lower()
    return value if kind == "secret" else " ".join(value.split())
