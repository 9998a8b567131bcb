"""Many texts to ids, with the ids of words that came before remembered.

A byte-level tokenizer cuts text before it looks at any piece: out come the control
tokens first, then the matches of a regular expression. None of the expressions below
has a match that goes on from a visible character over a space, or from a letter over a
closing mark or a line break. So a text may be cut at control tokens and at such places,
and the ids of the parts, one after the other, are the ids of the whole. Most parts are
words seen before. Tokenizers that cut in another way encode each text whole, which is
the rule that the tests compare with.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import chain
from string import ascii_letters
from typing import Any

from tokenizers import Tokenizer

from serve.look_alikes import Swap

# Of Llama 3, and of Qwen 2 and later; GPT-2's stands inside of the tokenizers library.
_KNOWN_PATTERNS = frozenset(
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
    + digits
    + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
    for digits in ("", "{1,3}")
)
# Parts that are remembered, and the longest of them in characters: some 25 MB.
_REMEMBERED = 100_000
_LONGEST = 24
_CLOSING = frozenset(".,:;!?)")
_LETTERS = frozenset(ascii_letters)
# A place where a text may be cut, and the one that ends a word at the end of a line.
_PLACE = re.compile(r"\S |[A-Za-z][.,:;!?)\n]")
_LINE_END = re.compile(r"(?<=[A-Za-z])(?=[.,:;!?)]*\n)")


class Words:
    """Encodes texts as `tokenizer` does, without special tokens of its own."""

    def __init__(self, tokenizer: Tokenizer, document: Mapping[str, Any], swap: Swap) -> None:
        """`tokenizer` spells control tokens as `swap` does; `document` is tokenizer.json, parsed."""
        self._tokenizer = tokenizer
        self._by_word = bool(swap.controls) and _cuts_before_spaces(document)
        self._split = swap.split
        self._controls = {swap.placeholders[token]: [number] for token, number in swap.controls.items()}
        self._known = dict(self._controls)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text."""
        if not self._by_word:
            return self._encode_whole(texts)
        cut = [self._cut_all(text) for text in texts]
        known = self._known
        unknown = list(dict.fromkeys(part for parts in cut for part in parts if part not in known))
        known.update(zip(unknown, self._encode_parts(unknown), strict=True))
        ids = [list(chain.from_iterable(map(known.__getitem__, parts))) for parts in cut]
        self._forget(unknown)
        return ids

    def _cut_all(self, text: str) -> list[str]:
        stretches = self._split(text)
        parts = _cut(stretches[0])
        for at in range(1, len(stretches), 2):
            parts.append(stretches[at])
            parts += _cut(stretches[at + 1])
        return parts

    def _encode_parts(self, parts: Sequence[str]) -> list[list[int]]:
        """The ids of parts without control tokens: encoded in one go, with a control token between them."""
        between, (number,) = next(iter(self._controls.items()))
        ids: list[list[int]] = [[]]
        (together,) = self._encode_whole([between.join(parts)])
        for found in together:
            if found == number:
                ids.append([])
            else:
                ids[-1].append(found)
        # Where text itself became that token's id, as unknown letters do on some tokenizers.
        return ids if len(ids) == len(parts) else self._encode_whole(parts)

    def _encode_whole(self, texts: Sequence[str]) -> list[list[int]]:
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def _forget(self, learned: Sequence[str]) -> None:
        for part in learned:
            if len(part) > _LONGEST:
                del self._known[part]
        if len(self._known) > _REMEMBERED:
            self._known = dict(self._controls)


def _cut(text: str) -> list[str]:
    """`text` in parts: cut at a space after a visible character, and at what ends a word or a line."""
    pending, *words = text.split(" ")
    parts: list[str] = []
    for word in words:
        if not pending or pending[-1].isspace():
            pending = f"{pending} {word}"
            continue
        if "\n" in pending:
            parts += _LINE_END.split(pending)
        elif pending[-1] in _CLOSING and pending[-2:-1] in _LETTERS:
            parts += (pending[:-1], pending[-1])
        else:
            parts.append(pending)
        pending = f" {word}"
    return [*parts, pending]


def _cuts_before_spaces(document: Mapping[str, Any]) -> bool:
    """Whether every text may be cut as `_cut` does it."""
    model, normalizer, cutter = document["model"], document.get("normalizer"), document.get("pre_tokenizer")
    if model.get("type", "BPE") != "BPE" or model.get("dropout") or cutter is None:
        return False
    if normalizer is not None and normalizer["type"] != "NFC":
        return False
    for token in document["added_tokens"]:
        takes_neighbours = token.get("lstrip") or token.get("rstrip") or token.get("single_word")
        if takes_neighbours or _PLACE.search(token["content"]):
            return False
    parts = cutter["pretokenizers"] if cutter["type"] == "Sequence" else [cutter]
    return all(map(_is_known, parts)) and any(map(_cuts_words, parts))


def _is_known(part: Mapping[str, Any]) -> bool:
    return (
        part["type"] == "Digits"
        or (part["type"] == "ByteLevel" and not part.get("add_prefix_space", True))
        or _cuts_words(part)
    )


def _cuts_words(part: Mapping[str, Any]) -> bool:
    if part["type"] == "ByteLevel":
        return not part.get("add_prefix_space", True) and bool(part.get("use_regex", True))
    return (
        part["type"] == "Split"
        and part["pattern"].get("Regex") in _KNOWN_PATTERNS
        and part["behavior"] == "Isolated"
        and not part["invert"]
    )
