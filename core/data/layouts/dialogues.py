"""Rows that are conversations: messages, ShareGPT, alpaca, prompt and completion."""

from __future__ import annotations

from core.data.layouts.layout import Fields, Refused, decoded, text_of
from core.data.layouts.sharegpt import read_sharegpt
from core.data.layouts.tools import read_tools
from core.data.layouts.turns import Turns, read_turns, spoken, with_system
from core.models.examples import Conversation
from serve.chat import Message


def from_messages(row: Fields) -> Conversation:
    turns = read_turns(row["messages"], "messages")
    return Conversation(tuple(with_system(row, turns)), read_tools(row))


def from_sharegpt(row: Fields) -> Conversation:
    turns = read_sharegpt(row["conversations"], "conversations")
    return Conversation(tuple(with_system(row, turns)), read_tools(row))


def from_alpaca(row: Fields) -> Conversation:
    """The instruction, then the input after an empty line; the output is the answer."""
    asked = text_of(row["instruction"], "instruction")
    if row.get("input"):
        asked = f"{asked}\n\n{text_of(row['input'], 'input')}"
    turns = [*_history(row), Message("user", asked), Message("assistant", text_of(row["output"], "output"))]
    return Conversation(tuple(with_system(row, turns)))


def from_prompt_and_completion(row: Fields) -> Conversation:
    before = spoken(row["prompt"], "prompt", "user")
    after = spoken(row["completion"], "completion", "assistant")
    return Conversation(tuple(with_system(row, [*_history(row), *before, *after])), read_tools(row))


def _history(row: Fields) -> Turns:
    """Earlier questions and their answers."""
    if not row.get("history"):
        return []
    pairs = decoded(row["history"], "`history`")
    if not isinstance(pairs, list) or any(not isinstance(pair, list) or len(pair) != 2 for pair in pairs):
        raise Refused(
            "wrong_type", "`history` is not a list of question and answer pairs", 'write [["Q", "A"], ...]'
        )
    return [
        Message(role, text_of(text, "history"))
        for pair in pairs
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
