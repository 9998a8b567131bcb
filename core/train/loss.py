"""Cross entropy for the trained tokens only, in chunks, so that full logits never exist.

A batch of 4,000 tokens has 4,000 x 49,152 logits, 786 MB in float32, several times
over with their gradients. Only trained tokens need logits, and only a chunk of them
at a time: the gradient of a chunk is known as soon as its logits are, so it is kept
as one row of the hidden size per token and the logits are let go.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

CHUNK = 256


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Sum of cross entropies of `hidden @ weight.T (+ bias)` against `targets`; the head is frozen."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, chunk: int
    ) -> Tensor:
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        gradient = torch.empty_like(hidden)
        for start in range(0, len(targets), chunk):
            part = slice(start, start + chunk)
            logits = functional.linear(hidden[part], weight, bias).float()
            wanted = targets[part].unsqueeze(1)
            norm = torch.logsumexp(logits, dim=-1, keepdim=True)
            total += (norm - logits.gather(1, wanted)).sum()
            logits.sub_(norm).exp_()
            logits.scatter_add_(1, wanted, torch.full_like(norm, -1.0))
            gradient[part] = logits.to(hidden.dtype) @ weight
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * outer[0].to(gradient.dtype), None, None, None, None


def sum_cross_entropy(hidden: Tensor, head: nn.Linear, targets: Tensor, *, chunk: int = CHUNK) -> Tensor:
    """Sum in nats of the cross entropy of each target under the frozen output layer `head`.

    `hidden` is [tokens, width], `targets` is [tokens] of token ids; the result is a
    float32 scalar that can be differentiated with respect to `hidden`. No more than
    `chunk` rows of logits exist at a time, and none are kept.
    """
    if not torch.is_grad_enabled() or not hidden.requires_grad:
        return _sum_without_gradient(hidden, head, targets, chunk)
    total: Tensor = _ChunkedCrossEntropy.apply(  # type: ignore[no-untyped-call]
        hidden, head.weight, head.bias, targets, chunk
    )
    return total


def _sum_without_gradient(hidden: Tensor, head: nn.Linear, targets: Tensor, chunk: int) -> Tensor:
    total = torch.zeros((), dtype=torch.float32, device=hidden.device)
    for start in range(0, len(targets), chunk):
        part = slice(start, start + chunk)
        logits = functional.linear(hidden[part], head.weight, head.bias).float()
        total += functional.cross_entropy(logits, targets[part], reduction="sum")
    return total
