"""Loss on assistant tokens, row by row: torch in float32, or llama.cpp on a GGUF file.

The token at position t is predicted from the logits at t - 1, so the first token of
a row has no prediction and is never counted. A turn's stop token is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from core.evaluate.scores import RowLoss
from core.models.dataset import TokenRow

# Bytes of float32 logits that may exist at a time.
LOGIT_BYTES = 128 * 2**20


def torch_engine_name() -> str:
    """What `torch_losses` computes with."""
    from importlib.metadata import version

    return f"torch {version('torch').partition('+')[0]}, transformers {version('transformers')}, float32"


def torch_losses(folder: Path, rows: Sequence[TokenRow]) -> Iterator[RowLoss]:
    """The loss of each row under the safetensors model in `folder`, in float32.

    Logits are computed for the counted tokens alone, and for at most `LOGIT_BYTES` of
    them at a time.
    """
    from core.models.load import load_model

    model = load_model(folder, dtype="float32")
    for row in rows:
        yield _torch_row(model, row)


def llama_losses(gguf: Path, rows: Sequence[TokenRow], *, threads: int | None = None) -> Iterator[RowLoss]:
    """The loss of each row under a GGUF file."""
    from core.models.llama_logits import open_logits

    longest = max((len(row.ids) for row in rows), default=1)
    with open_logits(gguf, context_length=longest, threads=threads) as reader:
        for row in rows:
            yield _llama_row(reader, row)


def _torch_row(model: Any, row: TokenRow) -> RowLoss:
    import torch
    from torch.nn.functional import cross_entropy

    ids = torch.tensor(row.ids, dtype=torch.long)
    targets = torch.from_numpy(row.trained.copy()).nonzero()[:, 0]
    targets = targets[targets > 0]
    if not len(targets):
        return RowLoss(0.0, 0)
    at_once = max(1, LOGIT_BYTES // (4 * model.config.get_text_config().vocab_size))
    nats = 0.0
    with torch.inference_mode():
        for part in torch.split(targets, at_once):
            end = int(part[-1])
            output = model(input_ids=ids[None, :end], use_cache=False, logits_to_keep=part - 1)
            losses = cross_entropy(output.logits[0].float(), ids[part], reduction="none")
            nats += float(losses.double().sum())
    return RowLoss(nats, len(targets))


def _llama_row(reader: Any, row: TokenRow) -> RowLoss:
    import numpy as np

    counted = row.trained[1:]
    nats = 0.0
    for positions, logits in reader.pieces(row.ids, np.append(counted, False)):
        highest = logits.max(axis=1, keepdims=True)
        norms = highest[:, 0] + np.log(np.exp(logits - highest).sum(axis=1, dtype=np.float64))
        given = logits[np.arange(len(positions)), row.ids[positions + 1]]
        nats += float((norms - given).sum())
    return RowLoss(nats, int(counted.sum()))
