"""Autograd functions that do what a transformer layer does, with less memory and fewer passes.

Autograd keeps every intermediate of an elementwise chain. These keep only what the
backward needs and cannot cheaply compute again, and the LoRA one does its small
matrices in the arithmetic of the base instead of casting the activations to float32.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def lora_linear(x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float) -> Tensor:
    """x W^T + bias + scale (x A^T) B^T (Hu et al. 2021).

    Only A [rank, in] and B [out, rank] learn; they may be float32 where `x` is bfloat16.
    """
    out: Tensor = _LoraLinear.apply(x, weight, bias, a, b, scale)  # type: ignore[no-untyped-call]
    return out


def swi_glu(gate: Tensor, up: Tensor) -> Tensor:
    """silu(gate) * up (Shazeer 2020)."""
    out: Tensor = _SwiGlu.apply(gate, up)  # type: ignore[no-untyped-call]
    return out


def rms_norm(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """weight * x / sqrt(mean(x^2) + epsilon) over the last dimension, in float32; the weight is frozen."""
    out: Tensor = _RmsNorm.apply(x, weight, epsilon)  # type: ignore[no-untyped-call]
    return out


def causal_attention(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Softmax attention of each position over itself and those before it, for short rows on a CPU.

    `query` [rows, heads, length, width], `key` and `value` [rows, groups, length, width];
    the result has the shape of `query`. All scores of a layer exist at once, in float32,
    and are computed again in the backward; torch's own kernel takes longer below 512
    positions in bfloat16.
    """
    out: Tensor = _CausalAttention.apply(query, key, value, scale)  # type: ignore[no-untyped-call]
    return out


class _LoraLinear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float
    ) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        narrow = flat @ a.to(x.dtype).t()
        out = functional.linear(flat, weight, bias)
        out.addmm_(narrow, b.to(x.dtype).t(), alpha=scale)
        ctx.save_for_backward(x, weight, a, b, narrow)
        ctx.scale = scale
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> tuple[Tensor | None, ...]:
        x, weight, a, b, narrow = ctx.saved_tensors
        flat = x.reshape(-1, x.shape[-1])
        grad = outer[0].reshape(-1, outer[0].shape[-1])
        grad_narrow = (grad @ b.to(x.dtype)).mul_(ctx.scale)
        grad_a = (grad_narrow.t() @ flat).to(a.dtype)
        grad_b = (grad.t() @ narrow).to(b.dtype).mul_(ctx.scale)
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = (grad @ weight).addmm_(grad_narrow, a.to(x.dtype)).view_as(x)
        return grad_x, None, None, grad_a, grad_b, None


class _SwiGlu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor) -> Tensor:
        ctx.save_for_backward(gate, up)
        return functional.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> tuple[Tensor, Tensor]:
        gate, up = ctx.saved_tensors
        grad_gate = torch.ops.aten.silu_backward(outer[0] * up, gate)
        return grad_gate, functional.silu(gate).mul_(outer[0])


class _RmsNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
        wide = x.to(torch.float32, copy=True)
        inverse = wide.square().mean(-1, keepdim=True).add_(epsilon).rsqrt_()
        ctx.save_for_backward(x, weight, inverse)
        return (
            wide.mul_(inverse).to(x.dtype).mul_(weight)
            if x.dtype != torch.float32
            else wide.mul_(inverse) * weight
        )

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> tuple[Tensor | None, ...]:
        x, weight, inverse = ctx.saved_tensors
        normal = x.to(torch.float32, copy=True).mul_(inverse)
        grad = (outer[0] * weight).float()
        share = (grad * normal).mean(-1, keepdim=True)
        return grad.sub_(normal.mul_(share)).mul_(inverse).to(x.dtype), None, None


class _CausalAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        shares = _shares(query, key, scale)
        out = (shares.to(value.dtype) @ value).view(query.shape)
        ctx.save_for_backward(query, key, value, out)
        ctx.scale = scale
        return out

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> tuple[Tensor | None, ...]:
        query, key, value, out = ctx.saved_tensors
        shape = (key.shape[0], key.shape[1], -1, key.shape[3])
        shares = _shares(query, key, ctx.scale)
        grad = outer[0].reshape(shape)
        grad_value = shares.to(value.dtype).transpose(-1, -2) @ grad
        wide = grad.float()
        drift = (wide * out.reshape(shape)).sum(-1, keepdim=True)
        grad_scores = (wide @ value.float().transpose(-1, -2)).sub_(drift).mul_(shares).mul_(ctx.scale)
        grad_scores = grad_scores.to(query.dtype)
        grad_query = (grad_scores @ key).view(query.shape)
        grad_key = grad_scores.transpose(-1, -2) @ query.reshape(shape)
        return grad_query, grad_key, grad_value, None


def _shares(query: Tensor, key: Tensor, scale: float) -> Tensor:
    """Attention weights in float32, [rows, groups, heads per group * length, length]."""
    rows, groups, length, width = key.shape
    scores = (query.float() * scale).reshape(rows, groups, -1, width) @ key.float().transpose(-1, -2)
    later = torch.ones(length, length, dtype=torch.bool, device=key.device).triu_(1)
    scores.view(rows, -1, length, length).masked_fill_(later, float("-inf"))
    return torch.softmax(scores, dim=-1)
