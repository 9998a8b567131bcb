"""What a training stage leaves behind, and how it becomes a model again: the only place that knows.

A model artifact holds the adapter of its own stage as plain PEFT reads it. A later
stage was trained on the base with the earlier adapters merged in, so its artifact
carries those too:

    adapter_config.json, adapter_model.safetensors    this stage's adapter
    adapters/0/, adapters/1/, ...                      the earlier stages', in order
    curves.jsonl                                       loss and the rest, a line a step
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tunery.errors import BadInput, BrokenIntegrity, NotThere

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
EARLIER = "adapters"


def list_adapters(artifact: Path) -> list[Path]:
    """Folders of the adapters that a model artifact stands for, in the order to merge them."""
    earlier = artifact / EARLIER
    count = len([path for path in earlier.iterdir() if path.is_dir()]) if earlier.is_dir() else 0
    folders = [earlier / str(number) for number in range(count)] + [artifact]
    for folder in folders:
        for name in (CONFIG, WEIGHTS):
            if not (folder / name).is_file():
                raise NotThere(
                    f"{folder} holds no {name}, so it is not an adapter; train again or check the path"
                )
    return folders


def apply_adapters(model: Any, artifact: Path) -> Any:
    """Merge every adapter of a model artifact into `model`, in order, and return it.

    `model` is the transformers base model; it is changed in place and comes back as a
    plain transformers model. Load it in float32: a merge in bfloat16 loses small
    updates. Raises NotThere without an adapter, BadInput when one does not fit the
    model, BrokenIntegrity when it holds numbers that are not finite.
    """
    for folder in list_adapters(artifact):
        model = _merge(model, folder)
    return model


def _merge(model: Any, folder: Path) -> Any:
    from peft import PeftModel

    if model.device.type == "meta":
        raise ValueError("the model has no weights yet")
    try:
        wrapped = PeftModel.from_pretrained(model, str(folder), is_trainable=False, local_files_only=True)
        merged = wrapped.merge_and_unload(safe_merge=True)
    except ValueError as error:
        if "NaN" in str(error):
            raise BrokenIntegrity(
                f"{folder / WEIGHTS} holds numbers that are not finite; train again"
            ) from None
        raise BadInput(
            f"{folder} does not fit the base model: {error}; use the base it was trained on"
        ) from None
    except (RuntimeError, KeyError) as error:
        raise BadInput(
            f"{folder} does not fit the base model: {error}; use the base it was trained on"
        ) from None
    if hasattr(merged, "peft_config"):
        del merged.peft_config
    return merged.eval()


def carry_adapters(previous: Path, artifact: Path) -> int:
    """Copy the adapters that `previous` stands for into `artifact`; returns how many there are."""
    folders = list_adapters(previous)
    for number, folder in enumerate(folders):
        target = artifact / EARLIER / str(number)
        target.mkdir(parents=True)
        for name in (CONFIG, WEIGHTS):
            shutil.copyfile(folder / name, target / name)
    return len(folders)


def save_adapter(model: Any, folder: Path) -> None:
    """Write the active adapter of a PeftModel as plain PEFT reads it, without a path of this machine.

    Weights are saved in float32, as they are trained.
    """
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    tensors = {name: tensor.detach().to("cpu").contiguous() for name, tensor in state.items()}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    config = model.peft_config[model.active_adapter].to_dict()
    config["inference_mode"] = True
    text = json.dumps(config, indent=2, sort_keys=True, default=_plain)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")


def load_adapter_weights(model: Any, folder: Path) -> None:
    """Put the saved weights into the active adapter of a PeftModel that has the same shape."""
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    result = set_peft_model_state_dict(model, load_file(folder / WEIGHTS))
    if result.unexpected_keys:
        raise BrokenIntegrity(
            f"{folder / WEIGHTS} belongs to another adapter ({result.unexpected_keys[0]}); train again"
        )


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, set) else str(value)
