"""Rows with a judgement: a better and a worse answer, or one answer that is good or bad."""

from __future__ import annotations

import re
from typing import Any

from core.data.layouts.layout import Fields, Refused, text_of
from core.data.layouts.sharegpt import read_sharegpt, sharegpt_turn
from core.data.layouts.turns import Turns, read_turn, read_turns, spoken, with_system
from core.models.examples import Preference, Unpaired
from serve.chat import Message

_SPEAKER = re.compile(r"\n\n(Human|Assistant):")
_ROLES = {"Human": "user", "Assistant": "assistant"}
_TRUTH = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}


def from_preference(row: Fields) -> Preference:
    """Answers as texts or turns. Turns that both begin with belong to the prompt."""
    chosen, rejected = _answer(row["chosen"], "chosen"), _answer(row["rejected"], "rejected")
    return _preference(with_system(row, _asked(row)), chosen, rejected)


def from_transcripts(row: Fields) -> Preference:
    """Whole talks as text; their common beginning, with `prompt` before it, is the prompt."""
    before = text_of(row["prompt"], "prompt") if row.get("prompt") else ""
    chosen, rejected = (_transcript(before, row, key) for key in ("chosen", "rejected"))
    return _preference(with_system(row, []), chosen, rejected)


def from_unpaired(row: Fields) -> Unpaired:
    good = truth_of(row["label"])
    if good is None:
        raise Refused("wrong_type", "`label` is not true or false", "write true for a good completion")
    prompt = with_system(row, spoken(row["prompt"], "prompt", "user"))
    return Unpaired(tuple(prompt), tuple(spoken(row["completion"], "completion", "assistant")), good)


def truth_of(value: Any) -> bool | None:
    """true and false as JSON, CSV and tables write them; None for anything else."""
    return _TRUTH.get(str(value).strip().lower()) if isinstance(value, bool | int | float | str) else None


def is_transcript(row: Fields) -> bool:
    begin = row.get("prompt") or row.get("chosen")
    return isinstance(begin, str) and _SPEAKER.match(f"\n\n{begin.lstrip()}") is not None


def _asked(row: Fields) -> Turns:
    if row.get("conversations"):
        return read_sharegpt(row["conversations"], "conversations")
    return spoken(row["prompt"], "prompt", "user") if row.get("prompt") else []


def _answer(value: Any, key: str) -> Turns:
    if isinstance(value, str):
        return spoken(value, key, "assistant")
    turns = value if isinstance(value, list) else [value]
    if turns and isinstance(turns[0], dict) and "from" in turns[0]:
        return [sharegpt_turn(turn, key, number) for number, turn in enumerate(turns, 1)]
    return read_turns(value, key) if isinstance(value, list) else [read_turn(value, key, 1)]


def _preference(prompt: Turns, chosen: Turns, rejected: Turns) -> Preference:
    shared = _shared(chosen, rejected)
    chosen, rejected = chosen[len(shared) :], rejected[len(shared) :]
    whole = _joined(prompt, shared)
    if not whole:
        raise Refused(
            "no_prompt",
            "there is no prompt, and `chosen` and `rejected` begin with no common turn",
            "add `prompt`, or name its column, such as `columns: {prompt: instruction}`",
        )
    return Preference(tuple(whole), tuple(chosen), tuple(rejected))


def _joined(prompt: Turns, shared: Turns) -> Turns:
    """The prompt and what both answers begin with, which often says the prompt again, or more of it."""
    if not prompt or not shared:
        return prompt or shared
    if shared[: len(prompt)] == prompt or shared[-len(prompt) :] == prompt:
        return shared
    return prompt if prompt[-len(shared) :] == shared else [*prompt, *shared]


def _shared(chosen: Turns, rejected: Turns) -> Turns:
    """Equal first turns, up to the last that is no answer."""
    length = 0
    for one, other in zip(chosen[:-1], rejected[:-1], strict=False):
        if one != other:
            break
        length += 1
    while length and chosen[length - 1].role == "assistant":
        length -= 1
    return chosen[:length]


def _transcript(before: str, row: Fields, key: str) -> Turns:
    # The first speaker stands like the others, whether or not the empty lines before it were kept.
    text = f"\n\n{(before + text_of(row[key], key)).strip()}"
    preface, *pieces = _SPEAKER.split(text)
    if preface or not pieces:
        what = f"`{key}` does not begin with a speaker" if pieces else f"`{key}` is no transcript"
        raise Refused("wrong_type", what, 'write "\\n\\nHuman: ...\\n\\nAssistant: ...", or set `format`')
    return [
        Message(_ROLES[speaker], said.strip())
        for speaker, said in zip(pieces[::2], pieces[1::2], strict=True)
    ]
