"""One form of letters, in which texts are compared."""

from __future__ import annotations

import unicodedata


def fold(text: str) -> str:
    """The text as it is compared: one form of letters, no case."""
    return unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
