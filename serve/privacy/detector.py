"""Personal data and secrets in a text, by pattern, checksum and context."""

from __future__ import annotations

import re
from collections.abc import Sequence

from serve.privacy.banking import card, iban
from serve.privacy.credentials import secret
from serve.privacy.found import HIDDEN, KINDS, Finder, Found, Kind, hide
from serve.privacy.mail import email
from serve.privacy.network import ip
from serve.privacy.phone import phone
from serve.privacy.placeholders import PLACEHOLDER

# The finder of each kind, and how many digits a value of it has at least.
_PATTERNS: dict[Kind, tuple[Finder, int]] = {
    "secret": (secret, 0),
    "email": (email, 0),
    "iban": (iban, 7),
    "card": (card, 12),
    "ip": (ip, 1),
    "phone": (phone, 7),
}
_NO_DIGIT = bytes(set(range(256)) - set(b"0123456789"))

# Digits of living scripts, and the blanks, dashes and signs that typesetting puts for the plain ones.
_ZEROS = "٠۰०০੦૦୦௦౦೦൦๐໐၀០０"
_PLAIN = {chr(ord(zero) + digit): str(digit) for zero in _ZEROS for digit in range(10)} | {
    **dict.fromkeys("\u00a0\u2002\u2003\u2007\u2009\u202f\u3000", " "),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d", "-"),
    **{"＠": "@", "．": ".", "＋": "+", "（": "(", "）": ")", "：": ":", "＝": "="},
}
_TYPESET = re.compile("[" + "".join(map(re.escape, _PLAIN)) + "]")


class Detector:
    """Finds the kinds that were asked for. Names of people and places need the extra `pii`."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        """Raises BadInput when a kind needs a library that is not installed."""
        self._finders = [_PATTERNS[kind] for kind in KINDS if kind in kinds and kind in _PATTERNS]
        named = frozenset(kind for kind in kinds if kind not in _PATTERNS)
        if named:
            from serve.privacy.names import NameFinder

            self._finders.append((NameFinder(named), 0))

    def find(self, text: str) -> list[Found]:
        """Spans in the order of the text; they never overlap, and no placeholder is among them."""
        # One pass in C decides for most texts that no number in them can be anybody's.
        digits = len(text.encode("ascii", "ignore").translate(None, _NO_DIGIT))
        if not text.isascii():
            plain = _TYPESET.sub(lambda match: _PLAIN[match[0]], text)
            digits = len(plain.encode("ascii", "ignore").translate(None, _NO_DIGIT))
            text = plain
        if "<" in text:
            text = PLACEHOLDER.sub(lambda match: HIDDEN * len(match[0]), text)
        found: list[Found] = []
        for finder, fewest in self._finders:
            if digits >= fewest and (spans := list(finder(text))):
                found += spans
                text = hide(text, spans)
        return sorted(found)
