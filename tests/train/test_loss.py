from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from core.train.loss import sum_cross_entropy


def material(tokens: int = 50, width: int = 16, vocabulary: int = 97, *, bias: bool = False) -> Any:
    torch.manual_seed(1)
    head = nn.Linear(width, vocabulary, bias=bias).requires_grad_(False)
    return torch.randn(tokens, width), head, torch.randint(0, vocabulary, (tokens,))


@pytest.mark.parametrize("chunk", [1, 7, 50, 256])
@pytest.mark.parametrize("bias", [False, True])
def test_loss_and_gradient_are_those_of_full_logits(chunk: int, bias: bool) -> None:
    hidden, head, targets = material(bias=bias)
    ours, theirs = hidden.clone().requires_grad_(), hidden.clone().requires_grad_()
    loss = sum_cross_entropy(ours, head, targets, chunk=chunk)
    wanted = functional.cross_entropy(head(theirs), targets, reduction="sum")
    (loss * 0.25).backward()
    (wanted * 0.25).backward()
    torch.testing.assert_close(loss, wanted)
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_without_gradients_the_sum_is_the_same() -> None:
    hidden, head, targets = material()
    with torch.no_grad():
        plain = sum_cross_entropy(hidden, head, targets, chunk=8)
    torch.testing.assert_close(
        plain, sum_cross_entropy(hidden.clone().requires_grad_(), head, targets).detach()
    )


def test_bfloat16_is_close_to_float32() -> None:
    hidden, head, targets = material(tokens=400)
    wanted = sum_cross_entropy(hidden, head, targets)
    half = nn.Linear(16, 97, bias=False, dtype=torch.bfloat16).requires_grad_(False)
    half.weight.copy_(head.weight)
    got = sum_cross_entropy(hidden.bfloat16().requires_grad_(), half, targets)
    assert abs(got.item() / wanted.item() - 1) < 0.01


def test_no_tokens_have_no_loss() -> None:
    hidden, head, _ = material()
    assert sum_cross_entropy(hidden[:0], head, torch.zeros(0, dtype=torch.long)).item() == 0


def test_full_logits_never_exist() -> None:
    hidden, head, targets = material(tokens=64, vocabulary=1000)
    with _Largest() as seen:
        sum_cross_entropy(hidden.requires_grad_(), head, targets, chunk=4).backward()
    assert seen.largest <= max(4 * 1000, head.weight.numel())


class _Largest(TorchDispatchMode):
    """Remembers the most elements of any tensor that an operation made."""

    largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            self.largest = max(self.largest, out.numel())
        return out
