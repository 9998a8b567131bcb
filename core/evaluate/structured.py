"""Structured answers: rows whose reference is a JSON object or array."""

from __future__ import annotations

import json
from typing import Any


def parse_structured(text: str) -> dict[str, Any] | list[Any] | None:
    """The JSON object or array that `text` is as a whole, or None.

    As strict as the program that will read the answer: no words or fences around it,
    no NaN or Infinity, and a bare number or string is not structured.
    """
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def same_json(left: Any, right: Any) -> bool:
    """Equal as JSON: key order is free, 1 equals 1.0, and true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same_json(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same_json, left, right))
    return bool(left == right)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
