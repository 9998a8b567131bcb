"""ROUGE-L: how much of the reference's words an answer has, in the same order.

Lin, "ROUGE: A Package for Automatic Evaluation of Summaries" (2004), sentence level,
F1. Equal to the rouge-score package (no stemming) on ASCII text; unlike it, letters
beyond ASCII count, and each Chinese, Japanese or Korean character is a word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|(?:(?![\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af])[^\W_])+"
)


def rouge_l(answer: str, reference: str) -> float:
    """F1 of the longest common subsequence of words, from 0 to 1; symmetric.

    Texts without any word ("?", an emoji) are compared as they are: 1 when equal.
    """
    left, right = words(answer), words(reference)
    if not left and not right:
        return float(answer.strip() == reference.strip())
    return 2 * common_subsequence(left, right) / (len(left) + len(right))


def words(text: str) -> list[str]:
    """Lower-case runs of letters and digits, composed (NFC); the underscore separates."""
    return _WORD.findall(unicodedata.normalize("NFC", text).lower())


def common_subsequence(left: Sequence[str], right: Sequence[str]) -> int:
    """Length of the longest common subsequence, bit-parallel (Hyyrö 2004): one row is one integer."""
    places: dict[str, int] = {}
    for place, word in enumerate(left):
        places[word] = places.get(word, 0) | 1 << place
    full = (1 << len(left)) - 1
    row = full
    for word in right:
        matches = row & places.get(word, 0)
        row = ((row + matches) | (row - matches)) & full
    return len(left) - row.bit_count()
