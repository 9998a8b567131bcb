from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from core.train.kernels import causal_attention, lora_linear, rms_norm, swi_glu


def gradients(function: Any, *inputs: Tensor) -> list[Tensor]:
    """The output and the gradient of every input, for a fixed gradient of the output."""
    leaves = [value.detach().clone().requires_grad_() for value in inputs]
    out = function(*leaves)
    torch.manual_seed(5)
    out.backward(torch.randn(out.shape))
    return [out.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]


def assert_same(ours: list[Tensor], theirs: list[Tensor]) -> None:
    assert len(ours) == len(theirs)
    for got, wanted in zip(ours, theirs, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bias", [False, True])
def test_lora_is_the_frozen_layer_and_a_scaled_low_rank_update(bias: bool) -> None:
    torch.manual_seed(0)
    weight, a, b, x = torch.randn(7, 5), torch.randn(3, 5), torch.randn(7, 3), torch.randn(2, 4, 5)
    shift = torch.randn(7) if bias else None
    ours = gradients(lambda x, a, b: lora_linear(x, weight, shift, a, b, 0.7), x, a, b)
    theirs = gradients(
        lambda x, a, b: functional.linear(x, weight, shift) + 0.7 * (x @ a.t()) @ b.t(), x, a, b
    )
    assert_same(ours, theirs)


def test_lora_weights_stay_float32_beside_bfloat16_activations() -> None:
    a, b = (torch.randn(shape).requires_grad_() for shape in ((3, 5), (7, 3)))
    out = lora_linear(torch.randn(4, 5).bfloat16(), torch.randn(7, 5).bfloat16(), None, a, b, 2.0)
    out.sum().backward()
    assert out.dtype is torch.bfloat16
    assert a.grad is not None
    assert a.grad.dtype is torch.float32


def test_swi_glu() -> None:
    gate, up = torch.randn(3, 9), torch.randn(3, 9)
    assert_same(gradients(swi_glu, gate, up), gradients(lambda g, u: functional.silu(g) * u, gate, up))


def test_rms_norm() -> None:
    weight, x = torch.randn(16), torch.randn(2, 5, 16)
    ours = gradients(lambda value: rms_norm(value, weight, 1e-5), x)
    assert_same(ours, gradients(lambda value: functional.rms_norm(value, (16,), weight, 1e-5), x))


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("length", [1, 13])
def test_causal_attention_with_shared_keys(groups: int, length: int) -> None:
    torch.manual_seed(0)
    query = torch.randn(2, length, 6, 8).transpose(1, 2)
    key, value = (torch.randn(2, length, groups, 8).transpose(1, 2) for _ in range(2))
    ours = gradients(lambda q, k, v: causal_attention(q, k, v, 0.3), query, key, value)

    def plain(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=0.3, enable_gqa=True)

    assert_same(ours, gradients(plain, query, key, value))
