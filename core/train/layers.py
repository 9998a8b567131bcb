"""Put the functions of kernels.py in the place of a model's own layers, and check that they agree.

Layers are known by what they are made of, not by the name of the model: whatever does
not fit stays as it is. The adapter's weights stay where peft put them.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from core.train.kernels import causal_attention, lora_linear, rms_norm, swi_glu
from tunery.errors import BadInput

SHORT = 512  # positions up to which causal_attention is faster than torch's own on a CPU
ATTENTION = "tunery_short_causal"
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.05}


def speed_up(model: Any, ids: Tensor) -> bool:
    """Replace the layers of a PeftModel with a fresh adapter; False, with all put back, if results differ.

    `ids` [1, length] is a piece of a training row that the comparison is made on.
    """
    decoder = model.get_base_model().get_decoder()
    before = _hidden(decoder, ids)
    undo = [_replace(module) for module in model.modules()]
    undo.append(_use_short_attention(model.get_base_model()))
    after = _hidden(decoder, ids)
    error = (after.float() - before.float()).norm() / before.float().norm()
    if error <= TOLERANCE[before.dtype]:
        return True
    for step in undo:
        step()
    return False


def check_output_layer(model: Any, ids: Tensor) -> None:
    """Raise BadInput unless the model's logits are its output layer applied to its last hidden states.

    The loss relies on it. Models that scale or cap their logits are refused by this,
    and so are those whose output layer would learn.
    """
    base = model.get_base_model()
    head = base.get_output_embeddings()
    if any(weight.requires_grad for weight in head.parameters()):
        raise BadInput("train.lora.targets names the output layer, which cannot learn yet; leave it out")
    with torch.no_grad():
        logits = base(input_ids=ids, use_cache=False).logits.float()
        ours = head(_hidden(base.get_decoder(), ids)).float()
    if not torch.allclose(logits, ours, rtol=0.05, atol=0.05, equal_nan=True):
        name = type(base).__name__
        raise BadInput(
            f"{name} changes its logits after the output layer and cannot be tuned yet; use another base"
        )


def _hidden(decoder: Any, ids: Tensor) -> Tensor:
    was_training = decoder.training
    decoder.eval()
    with torch.no_grad():
        hidden: Tensor = decoder(input_ids=ids, use_cache=False).last_hidden_state
    decoder.train(was_training)
    return hidden


def _replace(module: Any) -> Callable[[], None]:
    """Give one module a faster forward if there is one; returns how to take it back."""
    for build in (_lora_forward, _mlp_forward, _norm_forward):
        forward = build(module)
        if forward is not None:
            module.forward = forward
            return lambda: delattr(module, "forward")
    return lambda: None


def _lora_forward(module: Any) -> Callable[[Tensor], Tensor] | None:
    from peft.tuners.lora import Linear

    if type(module) is not Linear or type(module.base_layer) is not nn.Linear or len(module.lora_A) != 1:
        return None
    (name,) = module.lora_A
    plain = not module.lora_variant and not module.merged and not module.lora_bias[name]
    if not plain or not isinstance(module.lora_dropout[name], nn.Identity):
        return None
    base, a, b, scale = (
        module.base_layer,
        module.lora_A[name],
        module.lora_B[name],
        float(module.scaling[name]),
    )

    def forward(x: Tensor) -> Tensor:
        return lora_linear(x, base.weight, base.bias, a.weight, b.weight, scale)

    return forward


def _mlp_forward(module: Any) -> Callable[[Tensor], Tensor] | None:
    parts = ("gate_proj", "up_proj", "down_proj", "act_fn")
    if not all(hasattr(module, part) for part in parts) or len(list(module.children())) != len(parts):
        return None
    if not isinstance(module.act_fn, nn.SiLU) and type(module.act_fn).__name__ != "SiLUActivation":
        return None

    def forward(x: Tensor) -> Tensor:
        out: Tensor = module.down_proj(swi_glu(module.gate_proj(x), module.up_proj(x)))
        return out

    return forward


def _norm_forward(module: Any) -> Callable[[Tensor], Tensor] | None:
    if not type(module).__name__.endswith("RMSNorm") or not hasattr(module, "variance_epsilon"):
        return None
    if module.weight.requires_grad:
        return None

    def forward(x: Tensor) -> Tensor:
        return rms_norm(x, module.weight, module.variance_epsilon)

    return forward


def _use_short_attention(base: Any) -> Callable[[], None]:
    """Use our attention on a CPU where every layer looks at the whole row; returns how to take it back."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    config = base.config
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    whole = kinds == {"full_attention"} and not (
        getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True)
    )
    was = config._attn_implementation
    if base.device.type != "cpu" or was != "sdpa" or not whole:
        return lambda: None
    AttentionInterface.register(ATTENTION, _short_attention)
    # Attention that has no mask of its own gets none, and packed rows would see one another.
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)
    config._attn_implementation = ATTENTION

    def undo() -> None:
        config._attn_implementation = was

    return undo


def _short_attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **settings: Any
) -> tuple[Tensor, None]:
    """In the place of transformers' `sdpa_attention_forward`, and that itself for all but short rows.

    Packed rows go through it one after the other: their mask is mostly empty.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    on_cpu = query.device.type == "cpu"  # a model is loaded there, and moves to the GPU afterwards
    packed = on_cpu and attention_mask is not None
    lengths = _packed_lengths(settings.get("position_ids")) if packed else []
    if len(lengths) > 1:
        parts = (part.split_with_sizes(lengths, dim=2) for part in (query, key, value))
        rows = [
            _short_attention(module, q, k, v, None, **settings)[0] for q, k, v in zip(*parts, strict=True)
        ]
        return torch.cat(rows, dim=1), None
    short = query.shape[2] == key.shape[2] <= SHORT and attention_mask is None and module.is_causal
    if not (on_cpu and short) or settings.get("dropout") or settings.get("scaling") is None:
        out, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **settings)
        return out, None
    return causal_attention(query, key, value, settings["scaling"]).transpose(1, 2).contiguous(), None


def _packed_lengths(positions: Tensor | None) -> list[int]:
    """Tokens of each row that was packed into the one sequence whose position ids these are."""
    if positions is None or positions.ndim != 2 or len(positions) != 1 or positions[0, 0] != 0:
        return []
    starts = (positions[0] == 0).nonzero().flatten().tolist()
    return [end - start for start, end in pairwise([*starts, positions.shape[1]])]
