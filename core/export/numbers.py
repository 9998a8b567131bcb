"""How far an exported model's probabilities are from the float32 reference, in numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.export.reference import RowsReference
from core.models.llama_logits import open_logits

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

# Rows of the vocabulary in double precision at a time.
PIECE = 32


@dataclass(frozen=True)
class NumberParity:
    """Over `tokens` answer tokens of held-out rows.

    `kl` is the mean of KL(reference || export) in nat (not a number when the export's
    weights are not), `top1_agreement` the share of tokens where
    both have the same likeliest one, `row_kl` the mean KL of each row.
    """

    tokens: int
    rows: int
    kl: float
    top1_agreement: float
    perplexity: float
    reference_perplexity: float
    row_kl: tuple[float, ...]


@dataclass
class _Sums:
    tokens: int = 0
    kl: float = 0.0
    top1: int = 0
    nats: float = 0.0
    reference_nats: float = 0.0


def compare_numbers(gguf: Path, reference: RowsReference, on_row: Callable[[int, int], None]) -> NumberParity:
    """Read llama.cpp's logits row by row and compare them with the reference's log-probabilities.

    `on_row` gets (done, of) and may raise to stop.
    """
    rows = len(reference.offsets) - 1
    longest = max(int(end - start) for start, end in _spans(reference.offsets))
    total, row_kl = _Sums(), []
    with open_logits(gguf, context_length=longest) as reader:
        for number, (start, end) in enumerate(_spans(reference.offsets)):
            sums = _compare_row(reader, reference, start, end)
            row_kl.append(sums.kl / max(1, sums.tokens))
            for name, value in vars(sums).items():
                setattr(total, name, getattr(total, name) + value)
            on_row(number + 1, rows)
    return NumberParity(
        tokens=total.tokens,
        rows=rows,
        kl=total.kl / total.tokens,
        top1_agreement=total.top1 / total.tokens,
        perplexity=_exp(total.nats / total.tokens),
        reference_perplexity=_exp(total.reference_nats / total.tokens),
        row_kl=tuple(row_kl),
    )


def _spans(offsets: Array) -> Sequence[tuple[int, int]]:
    return list(zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True))


def _compare_row(reader: Any, reference: RowsReference, start: int, end: int) -> _Sums:
    import numpy as np

    ids = reference.ids[start:end]
    first, last = np.searchsorted(reference.positions, (start, end))
    wanted = np.zeros(len(ids), dtype=np.bool_)
    wanted[reference.positions[first:last] - start] = True
    sums, place = _Sums(), int(first)
    for positions, logits in reader.pieces(ids, wanted):
        for at in range(0, len(positions), PIECE):
            some = positions[at : at + PIECE]
            here = slice(place, place + len(some))
            found = _add(sums, reference.logprobs[here], logits[at : at + PIECE])
            sums.top1 += int((found.argmax(1) == reference.best[here]).sum())
            sums.nats -= float(found[np.arange(len(some)), ids[some + 1]].sum())
            place += len(some)
    sums.reference_nats = -float(reference.true[first:last].sum())
    return sums


def _add(sums: _Sums, reference: Array, logits: Array) -> Array:
    """Add the divergence of some positions; returns the export's log-probabilities."""
    import numpy as np

    # Some models have more rows of logits than tokens; what both have is compared.
    both = min(reference.shape[1], logits.shape[1])
    wanted, found = _normalized(reference[:, :both]), _normalized(logits[:, :both])
    sums.tokens += len(found)
    sums.kl += float((np.exp(wanted) * (wanted - found)).sum())
    return found


def _exp(nats: float) -> float:
    try:
        return math.exp(nats)
    except OverflowError:
        return math.inf


def _normalized(logits: Array) -> Array:
    import numpy as np

    exact = logits.astype(np.float64)
    exact -= exact.max(axis=1, keepdims=True)
    result: Array = exact - np.log(np.exp(exact).sum(axis=1, keepdims=True))
    return result
