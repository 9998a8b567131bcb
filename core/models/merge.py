"""Merge what training learned into the base model's weights, and check that it worked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.models.adapters import apply_adapters, list_adapters
from core.models.gguf import copy_chat_files
from core.models.load import load_model
from serve.model_folder import read_model_manifest, write_model_manifest
from tunery.errors import BadInput, BrokenIntegrity
from tunery.files import need_room, write_json_whole

if TYPE_CHECKING:
    import torch

# Mean KL in nat between merged and unmerged float32 logits; rounding alone stays below 1e-8.
MERGE_TOLERANCE = 1e-5


@dataclass(frozen=True)
class MergeReport:
    """How far the merged model is from the base and from base plus adapter.

    All are over the probes' positions: `kl_to_base` and `kl_to_unmerged` are mean
    Kullback-Leibler divergences in nat, `largest_difference` is between merged and
    unmerged logits.
    """

    kl_to_base: float
    kl_to_unmerged: float
    largest_difference: float
    positions: int


def merge_adapters(
    base: Path, trained: Path, out: Path, *, name: str, probes: Sequence[Sequence[int]]
) -> MergeReport:
    """Fill the folder `out` with base plus adapters in float32, as a safetensors model folder.

    `trained` is a model artifact of training; `probes` are rows of token ids on which
    the three models are compared. Raises BrokenIntegrity when the adapter changes
    nothing or when merging changes what it does, NoRoom before anything is written.
    """
    import torch

    manifest = read_model_manifest(base)
    need_room(out, 4 * _count_weights(base), f"the merged model {name}")
    with torch.inference_mode():
        model = load_model(base, dtype="float32")
        before = _logits(model, probes)
        unmerged = _logits(_wrap(model, trained), probes)
        del model
        merged = apply_adapters(load_model(base, dtype="float32"), trained)
        after = _logits(merged, probes)
    report = _compare(before, unmerged, after)
    if all(torch.equal(one, other) for one, other in zip(before, after, strict=True)):
        raise BrokenIntegrity(
            f"the adapter in {trained} changes nothing: the model answers exactly as its base does; "
            "train for more steps or with a higher learning rate"
        )
    if not report.kl_to_unmerged <= MERGE_TOLERANCE:
        raise BrokenIntegrity(
            f"merging the adapter in {trained} changes what the model says "
            f"(KL {report.kl_to_unmerged:.2g} nat, rounding is below {MERGE_TOLERANCE:g}); "
            "train with other adapter settings"
        )
    _save(merged, base, out)
    weights = tuple(sorted(path.name for path in out.glob("*.safetensors")))
    write_model_manifest(
        out,
        name=name,
        format="safetensors",
        quant=None,
        weights=weights,
        context_length=manifest.context_length,
    )
    return report


def _wrap(model: Any, trained: Path) -> Any:
    """The model with the last adapter beside its weights; earlier ones are merged, as in training."""
    from peft import PeftModel

    *earlier, last = list_adapters(trained)
    for folder in earlier:
        model = apply_adapters(model, folder)
    try:
        return PeftModel.from_pretrained(model, str(last), is_trainable=False, local_files_only=True).eval()
    except (RuntimeError, ValueError, KeyError):
        # What peft says here is a page with a line for every layer.
        raise BadInput(
            f"the adapter in {last} does not fit the base model; use the base it was trained on"
        ) from None


def _logits(model: Any, probes: Sequence[Sequence[int]]) -> list[torch.Tensor]:
    """The logits of every probe, (length, vocabulary) each."""
    import torch

    rows = [torch.tensor([list(ids)]) for ids in probes]
    return [model(input_ids=ids, use_cache=False).logits[0].float() for ids in rows]


def _compare(
    before: list[torch.Tensor], unmerged: list[torch.Tensor], after: list[torch.Tensor]
) -> MergeReport:
    positions = sum(len(row) for row in after)
    return MergeReport(
        kl_to_base=_mean_kl(after, before),
        kl_to_unmerged=_mean_kl(after, unmerged),
        largest_difference=max(float((a - b).abs().max()) for a, b in zip(after, unmerged, strict=True)),
        positions=positions,
    )


def _mean_kl(ones: list[torch.Tensor], others: list[torch.Tensor]) -> float:
    total, positions = 0.0, 0
    for one, other in zip(ones, others, strict=True):
        p, q = one.double().log_softmax(-1), other.double().log_softmax(-1)
        total += float((p.exp() * (p - q)).sum())
        positions += len(one)
    return total / positions


def _count_weights(base: Path) -> int:
    """Number of weights in the base's safetensors files, from their headers."""
    from safetensors import safe_open

    count = 0
    for path in base.glob("*.safetensors"):
        with safe_open(path, framework="pt") as tensors:
            for key in tensors.keys():  # noqa: SIM118 (not a dict)
                size = 1
                for length in tensors.get_slice(key).get_shape():
                    size *= length
                count += size
    return count


def _save(model: Any, base: Path, out: Path) -> None:
    model.save_pretrained(str(out))
    # The base's own chat files, byte for byte, so that template and tokenizer keep their hashes.
    copy_chat_files(base, out)
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    for key in ("_name_or_path", "_model_name_or_path"):
        config.pop(key, None)
    write_json_whole(out / "config.json", config)
