"""What counts as a word when rows are compared: letters and digits, in lower case, nothing else."""

from __future__ import annotations

import unicodedata

# Scripts that put no spaces between words; each of their characters stands for a word.
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x3400, 0x9FFF),  # Chinese characters
    (0x20000, 0x3FFFF),  # rare Chinese characters
)


class _Spelling(dict[int, str]):
    """What becomes of a character, looked up once for each: itself in lower case, or a space."""

    def __missing__(self, code: int) -> str:
        self[code] = spelled = _spell(code)
        return spelled


def words_of(text: str) -> list[str]:
    """The words of a text in order, without case, punctuation and differences of Unicode form.

    A text without a letter or digit is one word, so that "!!!" and "???" are not alike.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return text.translate(_SPELLING).split() or text.split()


def _spell(code: int) -> str:
    if any(first <= code <= last for first, last in _UNSPACED):
        return f" {chr(code)} " if unicodedata.category(chr(code))[0] in "LNM" else " "
    # Marks belong to the letter before them: without them Hindi words would fall apart.
    return chr(code).lower() if unicodedata.category(chr(code))[0] in "LNM" else " "


_SPELLING = _Spelling()
