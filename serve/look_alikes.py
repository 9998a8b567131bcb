"""Look-alikes of control tokens change places with the real ones.

What a person wrote may spell a control token. Before the template runs, each look-alike
becomes a placeholder of private-use characters that nobody can guess. In what the
template wrote the two change places: its own control tokens become placeholders, the
look-alikes plain text again, for a tokenizer that knows control tokens as placeholders.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tokenizers import Tokenizer

from tunery.errors import BadInput


class Mark(NamedTuple):
    """Characters `start` to `end` of a text are a control token, or, where `id` is None, a look-alike."""

    start: int
    end: int
    id: int | None


class Swap:
    """Exchanges control tokens and their placeholders in a text."""

    def __init__(self, controls: Mapping[str, int]) -> None:
        """`controls` maps each control token, as the model spells it, to its id."""
        self.controls = controls
        # Longest first, so that a token wins over the tokens it contains.
        ordered = sorted(controls, key=len, reverse=True)
        # Four characters of 65,000 each, drawn anew in every process: text cannot name them.
        self._nonce = "".join(chr(0xF0000 + secrets.randbelow(0xFFFE)) for _ in range(4))
        self._escaped_nonce = json.dumps(self._nonce)[1:-1]
        self.placeholders = {token: self._nonce + chr(0x100000 + n) for n, token in enumerate(ordered)}
        self._tokens = {placeholder: token for token, placeholder in self.placeholders.items()}
        either = "|".join(map(re.escape, ordered)) or "(?!)"
        self._control = re.compile(either)
        self._placeholder = re.compile(f"{re.escape(self._nonce)}[\U00100000-\U0010fffd]")
        self._any = re.compile(f"{self._placeholder.pattern}|{either}")
        self._around = re.compile(f"({self._placeholder.pattern})")

    def hide(self, text: str) -> str:
        """`text` with placeholders for what looks like a control token."""
        return self._control.sub(lambda found: self.placeholders[found.group()], text)

    def hide_in_json(self, value: Any) -> Any:
        """A JSON value with every text in it hidden, keys too."""
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, Mapping):
            return {self.hide(str(key)): self.hide_in_json(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.hide_in_json(item) for item in value]
        return value

    def restore(self, text: str) -> str:
        """`text` with every placeholder spelled out."""
        if self._nonce not in text:
            return text
        return self._placeholder.sub(lambda found: self._tokens[found.group()], text)

    def exchange(self, text: str) -> tuple[str, list[Mark]]:
        """`text` with control tokens and look-alikes exchanged, and where in `text` they stand.

        Raises BadInput where the template escaped a placeholder, so that it cannot be told any more.
        """
        if self._escaped_nonce in text:
            raise BadInput(
                "the chat template writes what looks like a control token in escapes; "
                "remove that spelling from the arguments, or set model.template to another template"
            )
        parts: list[str] = []
        marks: list[Mark] = []
        done = 0
        for found in self._any.finditer(text):
            start, end = found.span()
            spelled = found.group()
            number = self.controls.get(spelled)
            other = self._tokens[spelled] if number is None else self.placeholders[spelled]
            parts += (text[done:start], other)
            marks.append(Mark(start, end, number))
            done = end
        parts.append(text[done:])
        return "".join(parts), marks

    def split(self, text: str) -> list[str]:
        """`text` in stretches, with the placeholder between each two of them."""
        return self._around.split(text)

    def controls_from(self, text: str, position: int) -> Iterator[tuple[int, int, int]]:
        """Start, end and id of each control token of `text` from `position` on."""
        for found in self._control.finditer(text, position):
            yield found.start(), found.end(), self.controls[found.group()]


def control_tokens(tokenizer: Mapping[str, Any], template: str) -> dict[str, int]:
    """Special tokens, and added tokens that the template itself writes; white space is text."""
    return {
        token["content"]: token["id"]
        for token in tokenizer["added_tokens"]
        if token["content"]
        and (token["special"] or (token["content"] in template and not token["content"].isspace()))
    }


def respelled(document: Mapping[str, Any], swap: Swap) -> Tokenizer:
    """The tokenizer with its control tokens spelled as placeholders, ids unchanged."""
    spell = swap.placeholders
    model = dict(document["model"])
    vocabulary = model["vocab"]
    if isinstance(vocabulary, dict):
        model["vocab"] = {spell.get(token, token): number for token, number in vocabulary.items()}
    else:
        model["vocab"] = [[spell.get(token, token), score] for token, score in vocabulary]
    if isinstance(model.get("unk_token"), str):
        model["unk_token"] = spell.get(model["unk_token"], model["unk_token"])
    added = [
        {**token, "content": spell.get(token["content"], token["content"])}
        for token in document["added_tokens"]
    ]
    tokenizer = Tokenizer.from_str(json.dumps({**document, "model": model, "added_tokens": added}))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    for token, number in swap.controls.items():
        if tokenizer.token_to_id(spell[token]) != number:
            raise BadInput(f"tokenizer.json gives the control token {token!r} no fixed id; save it again")
    return tokenizer
