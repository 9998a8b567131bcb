"""Which rows are trained on at which step, and what a step's batch looks like.

The order is a function of the seed and the step alone, so a resumed run goes on with
the very rows that an uninterrupted one would have seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Sampler

from core.models.dataset import TokenRow

POOL = 64  # batches that are sorted by length together; more would order the epoch too much
PASS_COST = 64  # what one more pass through the model costs, in tokens of computing


class LikeLengthBatches(Sampler[list[int]]):
    """The rows of every optimizer step of a whole training, batches of like length.

    Each epoch is a random permutation, cut into pools; a pool is sorted by length and
    cut into batches, and the batches are shuffled. `lengths` are tokens of each row.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int, steps: int) -> None:
        self._lengths = np.asarray(lengths)
        self._batch_size = batch_size
        self._seed = seed
        self._steps = steps
        self._epoch: tuple[int, list[list[int]]] | None = None

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(len(self._lengths) / self._batch_size)

    def __len__(self) -> int:
        return self._steps

    def __iter__(self) -> Iterator[list[int]]:
        return (self.batch(step) for step in range(self._steps))

    def batch(self, step: int) -> list[int]:
        """Row numbers of the optimizer step `step`, which counts from 0."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if self._epoch is None or self._epoch[0] != epoch:
            self._epoch = (epoch, self._order(epoch))
        return self._epoch[1][position]

    def _order(self, epoch: int) -> list[list[int]]:
        random = np.random.default_rng([self._seed, epoch])
        rows = random.permutation(len(self._lengths))
        # A quarter of a small data set: with one pool, every epoch would have the same batches.
        in_pool = min(POOL, math.ceil(self.steps_per_epoch / 4)) * self._batch_size
        batches = []
        for start in range(0, len(rows), in_pool):
            pool = rows[start : start + in_pool]
            pool = pool[np.argsort(self._lengths[pool], kind="stable")]
            batches += [
                pool[at : at + self._batch_size].tolist() for at in range(0, len(pool), self._batch_size)
            ]
        return [batches[position] for position in random.permutation(len(batches))]


@dataclass(frozen=True)
class MicroBatch:
    """Rows that go through the model in one pass, padded on the right or packed end to end.

    `ids` is [rows, length]. `predictors` [n] are places in the flattened
    [rows * length] from which a trained token is predicted, `targets` [n] those tokens.
    There is no attention mask: under causal attention nothing before the padding sees
    it, and no loss is taken on it, whatever id it has.

    Packed rows are one row here, and `positions` [1, length] begins again at 0 with
    each of them: transformers makes of that a mask that keeps them apart.
    """

    ids: Tensor
    predictors: Tensor
    targets: Tensor
    positions: Tensor | None = None

    def to(self, device: torch.device) -> MicroBatch:
        moved = {
            name: tensor.to(device, non_blocking=True)
            for name, tensor in vars(self).items()
            if tensor is not None
        }
        return replace(self, **moved)

    def inputs(self) -> dict[str, Tensor]:
        """What the model is called with."""
        if self.positions is None:
            return {"input_ids": self.ids}
        return {"input_ids": self.ids, "position_ids": self.positions}


@dataclass(frozen=True)
class Batch:
    """One optimizer step's rows. `tokens` are real ones; `trained` of them are targets."""

    micro: tuple[MicroBatch, ...]
    tokens: int
    trained: int

    @property
    def masked(self) -> int:
        return self.tokens - self.trained


Collator = Callable[[Sequence[TokenRow]], Batch]


@dataclass(frozen=True)
class PaddingCollator:
    """Rows -> Batch, passes of rows of like length.

    With `rows_per_pass`, each pass has so many rows. Without, the rows are divided so
    that padding and the number of passes are small together and no pass has more than
    `tokens_per_pass` tokens, padding counted (a longer row has a pass of its own).
    """

    tokens_per_pass: int
    rows_per_pass: int | None = None

    def __call__(self, rows: Sequence[TokenRow]) -> Batch:
        ordered = sorted(rows, key=lambda row: len(row.ids))
        lengths = [len(row.ids) for row in ordered]
        cuts = (
            self._fixed(len(ordered)) if self.rows_per_pass else cut_by_length(lengths, self.tokens_per_pass)
        )
        micro = tuple(_pad(ordered[start:end]) for start, end in cuts)
        return Batch(micro, sum(lengths), sum(len(part.targets) for part in micro))

    def _fixed(self, count: int) -> list[tuple[int, int]]:
        size = self.rows_per_pass or count
        return [(start, min(start + size, count)) for start in range(0, count, size)]


def cut_by_length(lengths: Sequence[int], most_tokens: int) -> list[tuple[int, int]]:
    """Divide rows, sorted by length, into passes of the least cost, as half-open ranges.

    A pass costs its padded tokens and `PASS_COST`.
    """
    best: list[tuple[int, int]] = [(0, 0)]
    for end in range(1, len(lengths) + 1):
        options = []
        for start in range(end - 1, -1, -1):
            padded = (end - start) * lengths[end - 1]
            if padded > most_tokens and start < end - 1:
                break
            options.append((best[start][0] + padded + PASS_COST, start))
        best.append(min(options))
    cuts: list[tuple[int, int]] = []
    end = len(lengths)
    while end:
        cuts.append((best[end][1], end))
        end = best[end][1]
    return cuts[::-1]


def _pad(rows: Sequence[TokenRow]) -> MicroBatch:
    length = max(len(row.ids) for row in rows)
    ids = np.zeros((len(rows), length), dtype=np.int64)
    predicted = np.zeros((len(rows), length), dtype=np.bool_)
    for at, row in enumerate(rows):
        ids[at, : len(row.ids)] = row.ids
        # The first token of a row has nothing before it that could predict it.
        predicted[at, 1 : len(row.ids)] = row.trained[1:]
    positions = np.flatnonzero(predicted)
    return MicroBatch(
        torch.from_numpy(ids), torch.from_numpy(positions - 1), torch.from_numpy(ids.reshape(-1)[positions])
    )


def evaluation_batches(rows: Any, collator: Collator, per_batch: int = 32) -> Iterator[Batch]:
    """All of `rows` once, in order of length."""
    order = np.argsort(np.asarray(rows.lengths), kind="stable")
    for start in range(0, len(order), per_batch):
        yield collator([rows[int(at)] for at in order[start : start + per_batch]])
