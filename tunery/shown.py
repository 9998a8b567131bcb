"""Text from anywhere, made safe to be shown to a person."""

from __future__ import annotations

import unicodedata

_KEPT = {"\n", "\t", "\u200d"}


def harmless(text: str) -> str:
    """`text` without what could move or recolour a terminal, or turn a line around.

    Line breaks, tabs, spaces of any width and the joiner of emoji stay; every other
    control, lone surrogate and unassigned character becomes U+FFFD.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(letter if _is_harmless(letter) else "\ufffd" for letter in text)


def _is_harmless(letter: str) -> bool:
    return letter.isprintable() or letter in _KEPT or unicodedata.category(letter) == "Zs"
