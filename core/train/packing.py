"""Several rows in one sequence, so that no padding is computed, and none of them sees another.

Position ids that begin again at 0 with every row are all that a model is told. It is
transformers that makes them into attention of each row over itself; not every model
goes by it, so the one at hand is tried before a training relies on it.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.models.dataset import TokenRow
from core.train.batches import Batch, MicroBatch
from tunery.errors import BadInput

# How far the states of a token may be from those it has alone, as a share of their norm:
# far above what another order of summing does, far below what one seen neighbour does.
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.1}


@dataclass(frozen=True)
class PackingCollator:
    """Rows -> Batch, passes of one sequence each, with rows end to end.

    A sequence has at most `room` tokens (a longer row has one of its own) and, where
    `most_rows` is given, so many rows.
    """

    room: int
    most_rows: int | None = None

    def __call__(self, rows: Sequence[TokenRow]) -> Batch:
        lengths = [len(row.ids) for row in rows]
        sequences = first_fit_decreasing(lengths, self.room, self.most_rows or len(rows))
        micro = tuple(_end_to_end([rows[at] for at in sequence]) for sequence in sequences)
        return Batch(micro, sum(lengths), sum(len(part.targets) for part in micro))


def first_fit_decreasing(lengths: Sequence[int], room: int, most: int) -> list[list[int]]:
    """Divide the numbers of rows into sequences of at most `room` tokens and `most` rows.

    The longest row comes first, and each goes into the first sequence that has room for it.
    """
    sequences: list[list[int]] = []
    left: list[int] = []
    for number in sorted(range(len(lengths)), key=lambda at: -lengths[at]):
        for at, sequence in enumerate(sequences):
            if lengths[number] <= left[at] and len(sequence) < most:
                sequence.append(number)
                left[at] -= lengths[number]
                break
        else:
            sequences.append([number])
            left.append(room - lengths[number])
    return sequences


def _end_to_end(rows: Sequence[TokenRow]) -> MicroBatch:
    ids = np.concatenate([row.ids for row in rows]).astype(np.int64)
    positions = np.concatenate([np.arange(len(row.ids)) for row in rows])
    # The first token of a row has nothing before it that could predict it, least of all a neighbour's last.
    predicted = np.concatenate([row.trained for row in rows]) & (positions > 0)
    targets = np.flatnonzero(predicted)
    return MicroBatch(
        torch.from_numpy(ids).unsqueeze(0),
        torch.from_numpy(targets - 1),
        torch.from_numpy(ids[targets]),
        torch.from_numpy(positions).unsqueeze(0),
    )


def check_rows_apart(model: Any) -> None:
    """Raise BadInput unless packed rows go through this PeftModel as each would alone.

    Tries two rows of random tokens, once more with another first row: a model that
    carries a state from token to token, or makes its own mask, mixes them.
    """
    base = model.get_base_model()
    decoder, vocabulary = base.get_decoder(), base.get_input_embeddings().num_embeddings
    # A generator of its own, so that the one that dropout draws from stays where it is.
    random = torch.Generator().manual_seed(0)
    first, other, second = (torch.randint(vocabulary, (length,), generator=random) for length in (24, 24, 40))
    if "position_ids" in inspect.signature(decoder.forward).parameters:
        alone = torch.cat([_states(decoder, first), _states(decoder, second)])
        together = _states(decoder, first, second)
        beside_another = _states(decoder, other, second)[len(other) :]
        limit = TOLERANCE[together.dtype]
        if _farthest(together, alone) < limit and _farthest(together[len(first) :], beside_another) < limit:
            return
    raise BadInput(
        f"{type(base).__name__} lets rows in one sequence see one another, which would teach it nonsense; "
        "set train.packing: false"
    )


def _states(decoder: Any, *rows: Tensor) -> Tensor:
    """Last hidden states, [tokens, width], of rows packed into one sequence."""
    untrained = (TokenRow(row.numpy().astype(np.int32), np.zeros(len(row), np.bool_)) for row in rows)
    packed = _end_to_end(list(untrained)).to(decoder.device)
    was_training = decoder.training
    decoder.eval()
    with torch.no_grad():
        hidden: Tensor = decoder(**packed.inputs(), use_cache=False).last_hidden_state[0]
    decoder.train(was_training)
    return hidden


def _farthest(states: Tensor, wanted: Tensor) -> float:
    """The worst token's distance from what is wanted, as a share of its norm."""
    wide = wanted.float()
    return float(((states.float() - wide).norm(dim=-1) / wide.norm(dim=-1)).max())
