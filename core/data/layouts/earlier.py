"""Rows of a dataset artifact: an earlier run's data, used again whatever kinds it mixes."""

from __future__ import annotations

from typing import Any

from core.data.layouts.layout import Fields, Layout, Refused
from core.models.examples import Example, example_from_json

EARLIER = "run"
_KEYS = ("source", "line", "kind", "task", "messages", "tools", "text", "labels", "prompt")
_MORE = ("chosen", "rejected", "completion", "label", "reference")


def _from_row(row: Fields) -> Example:
    try:
        return example_from_json(str(row.get("kind", "conversation")), row)
    except (KeyError, TypeError, AttributeError) as error:
        raise Refused(
            "wrong_type", f"this is no row of a dataset ({error})", "run its recipe again"
        ) from None


def _is_row(row: Any) -> bool:
    return isinstance(row.get("id"), str) and isinstance(row.get("source"), str)


EARLIER_ROWS = Layout(EARLIER, "conversation", ("id",), (*_KEYS, *_MORE), _from_row, fits=_is_row)
