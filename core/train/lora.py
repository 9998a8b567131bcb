"""Put a fresh LoRA adapter on a base model."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from core.recipe.sections import TrainStage
from tunery.errors import BadInput


def add_lora(model: Any, stage: TrainStage, base_name: str) -> Any:
    """A PeftModel around `model` with the adapter that `stage.lora` asks for.

    Its first weights depend on `stage.seed` and the shapes alone. They are float32
    whatever the model computes in: steps of a learning rate of 1e-4 vanish in the eight
    bits of a bfloat16 weight. `base_name` is kept as the adapter's base.
    """
    from peft import LoraConfig, TaskType, get_peft_model

    config = LoraConfig(
        task_type=TaskType.CAUSAL_LM,
        r=stage.lora.rank,
        lora_alpha=stage.lora.alpha,
        lora_dropout=stage.lora.dropout,
        target_modules=_targets(model, stage),
        bias="none",
    )
    torch.manual_seed(stage.seed)
    try:
        wrapped = get_peft_model(model, config, autocast_adapter_dtype=True)
    except ValueError as error:
        names = ", ".join(sorted(_linear_names(model)))
        raise BadInput(
            f"train.lora.targets does not fit this model ({error}); its layers are {names}"
        ) from None
    # peft put in the folder that the model was loaded from; a path of this machine must not travel.
    config.base_model_name_or_path = base_name
    return wrapped


def _targets(model: Any, stage: TrainStage) -> str | list[str]:
    wish = stage.lora.targets
    if wish == "all-linear":
        return "all-linear"
    if wish == "attention":
        names = _linear_names(model, inside="attention")
        if not names:
            raise BadInput(
                "this model has no attention layers by that name; set train.lora.targets: all-linear"
            )
        return sorted(names)
    known = _linear_names(model)
    for name in wish:
        if name.rsplit(".", 1)[-1] not in known:
            raise BadInput(
                f'train.lora.targets: this model has no layer "{name}"; it has {", ".join(sorted(known))}'
            )
    return list(wish)


def _linear_names(model: Any, inside: str = "") -> set[str]:
    """Last parts of the names of linear layers, the output layer left out."""
    names: set[str] = set()
    for module in model.modules():
        if inside and inside not in type(module).__name__.lower():
            continue
        children = module.named_children() if inside else module.named_modules()
        names |= {name.rsplit(".", 1)[-1] for name, child in children if isinstance(child, nn.Linear)}
        if not inside:
            break
    head = model.get_output_embeddings()
    return names - {name.rsplit(".", 1)[-1] for name, child in model.named_modules() if child is head}
