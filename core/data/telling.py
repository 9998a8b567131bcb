"""Parts of the data report in words, the same in the terminal and on the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.models.dataset import SPLITS

_QUANTILES = {"p50": "half up to", "p90": "90 % up to", "p99": "99 % up to", "max": "the longest"}


def in_order(splits: Mapping[str, Any]) -> dict[str, Any]:
    """The splits as people name them: train first. A report that was read from a file has them by letter."""
    return {name: splits[name] for name in SPLITS if name in splits}


def quantiles(tokens: Mapping[str, Any]) -> str:
    """How long rows are: "half up to 71, the longest 500 of at most 512 tokens"; "" where nobody counted."""
    lengths = tokens.get("lengths") or {}
    told = [f"{words} {lengths[name]:,}" for name, words in _QUANTILES.items() if name in lengths]
    return f"{', '.join(told)} of at most {tokens['max_length']:,} tokens" if told else ""


def proven(proof: Mapping[str, Any]) -> str:
    """What was shown about where answers stop (see core/data/tokens/proof.py)."""
    if proof.get("problems"):
        return "Answers do not stop as they should: " + "; ".join(proof["problems"])
    stops = " or ".join(proof["stops"])
    same = ", though it is the padding token as well" if proof["pad"] in proof["stops"] else ""
    return (
        f"Counted on {proof['rows']} rows: each of {proof['answers']} answers ends with a trained stop token "
        f"({stops}), and no other one is trained{same}."
    )
