"""Letters in one form, and no character that nobody can see.

Joiners are invisible and still mean something: between letters of Persian or Hindi
they choose the shape, and between emoji they make a family of four people. There they
stay, and so do the tags that make the flags of Scotland and Wales, and the spaces of
no width that end words in Thai or Khmer.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

# After these a joiner shapes what follows: Arabic to Myanmar, Khmer, Mongolian, symbols and emoji.
_JOINING = (
    "\u0600-\u109f\u1780-\u18af\ua840-\ua87f\ufb50-\ufdff\ufe70-\ufefc\ufe0f"
    "\u2190-\u2bff\U0001f000-\U0001faff\U00010a00-\U00011fff"
)
# After these a space of no width ends a word: Thai, Lao, Tibetan, Myanmar, Khmer.
_UNSPACED = "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff"
# Soft hyphen, word joiner, byte order mark, marks of direction, invisible operators, annotations.
_NEVER = "\u00ad\u180e\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb"
_TAGS = "\U000e0000-\U000e007f"

# All of them, also where they mean something; cheap to look for.
RARE = f"{_NEVER}{_TAGS}\u200b-\u200d"
# Group 1 is what only looks invisible: a flag spelled with tags.
INVISIBLE = re.compile(
    f"(\U0001f3f4[{_TAGS}]+)|[{_NEVER}{_TAGS}]|(?<![{_UNSPACED}])\u200b|(?<![{_JOINING}])[\u200c\u200d]"
)


def tidy(text: str, form: Literal["nfc", "nfkc"]) -> str:
    """The text in one Unicode form, without invisible characters. Doing it twice changes nothing more."""
    if text.isascii():
        return text
    name: Literal["NFC", "NFKC"] = "NFC" if form == "nfc" else "NFKC"
    text = unicodedata.normalize(name, text)
    if not INVISIBLE.search(text):
        return text
    # What stood apart may compose now.
    return unicodedata.normalize(name, INVISIBLE.sub(r"\1", text))
