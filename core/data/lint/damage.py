"""Text that was decoded wrongly once, or carries what nobody can see."""

from __future__ import annotations

import re
import unicodedata

from core.data.clean.unicode_form import INVISIBLE, RARE

# How UTF-8 looks that was read as Latin-1 or Windows-1252: one letter begins a character, one to three go on.
_GOES_ON = "\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"
_SUSPICIOUS = re.compile(f"\ufffd|[Â-Ý][{_GOES_ON}]|[à-ô][{_GOES_ON}]{{2}}|â€|Ã |[\x80-\x9f]")
_NOT_ASCII = re.compile("[^\x00-\x7f]+")
# The same without what stands between, so that a long text can be judged by its few foreign letters.
_MAYBE_DAMAGED = re.compile(_SUSPICIOUS.pattern.replace("Ã ", "Ã"))
_MAYBE_INVISIBLE = re.compile(f"[{RARE}]")
# How much text around the suspicion is judged: the judge is slow, and most texts are innocent.
_WINDOW = 40


def damaged_at(text: str) -> int | None:
    """Where a character was lost or split when the text was decoded, or None.

    Accents alone are no sign: what looks like UTF-8 read as Windows-1252 counts only
    where reading it again as UTF-8 gives better text.
    """
    if text.isascii() or not _MAYBE_DAMAGED.search(_foreign(text)):
        return None
    for found in _SUSPICIOUS.finditer(text):
        if found.group() == "\ufffd" or _is_mojibake(text, found.start()):
            return found.start()
    return None


def invisible_at(text: str) -> int | None:
    """Where the text holds an invisible character or a letter in an uncommon form, or None."""
    if text.isascii():
        return None
    if _MAYBE_INVISIBLE.search(_foreign(text)):
        for found in INVISIBLE.finditer(text):
            if found.group(1) is None:
                return found.start()
    if unicodedata.is_normalized("NFC", text):
        return None
    composed = unicodedata.normalize("NFC", text)
    pairs = enumerate(zip(text, composed, strict=False))
    return next((at for at, (before, after) in pairs if before != after), 0)


def _foreign(text: str) -> str:
    return "".join(_NOT_ASCII.findall(text))


def _is_mojibake(text: str, position: int) -> bool:
    # Kept out of the top: few rows need it.
    import ftfy

    window = text[max(0, position - _WINDOW) : position + _WINDOW]
    return ftfy.fix_encoding(window) != window
