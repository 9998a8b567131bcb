"""Rows without an answer: raw text, text with its classes, prompts for reinforcement learning."""

from __future__ import annotations

from math import isfinite
from typing import Any

from core.data.layouts.layout import Fields, Refused, text_of
from core.data.layouts.turns import spoken, with_system
from core.models.examples import Labelled, PlainText, Prompt


def from_text(row: Fields) -> PlainText:
    return PlainText(text_of(row["text"], "text"))


def from_classification(row: Fields) -> Labelled:
    text, label = text_of(row["text"], "text"), row["label"]
    labels = label if isinstance(label, list) else [label]
    # A text is in a class or not: naming it twice says nothing more.
    return Labelled(text, tuple(dict.fromkeys(_scalar(each, "label") for each in labels)))


def from_prompt(row: Fields) -> Prompt:
    reference = row.get("reference")
    if reference in (None, ""):
        reference = row.get("answer")
    known = None if reference in (None, "") else _scalar(reference, "reference")
    return Prompt(tuple(with_system(row, spoken(row["prompt"], "prompt", "user"))), known)


def is_label(row: Fields) -> bool:
    return isinstance(row["label"], str | int | float | list)


def _scalar(value: Any, key: str) -> str:
    """A text, a number or a truth value, as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, int) or (isinstance(value, float) and isfinite(value)):
        return str(value)
    raise Refused("wrong_type", f"`{key}` is neither a text nor a number", f"write `{key}` as a text")
