"""Load a model or tokenizer from a local folder: safetensors only, no hub, no code of the model's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tunery.errors import BadInput, NotThere

DTYPES = ("float32", "bfloat16")


def load_model(folder: Path, *, dtype: str, adapter: Path | None = None) -> Any:
    """The transformers causal language model in `folder`, on the CPU, in evaluation mode.

    `dtype` is "float32" or "bfloat16". With `adapter`, a folder with a PEFT adapter,
    the model is wrapped in a PeftModel whose adapter is frozen and not merged.
    Raises NotThere when a folder lacks its files, BadInput when they cannot be loaded.
    """
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    if dtype not in DTYPES:
        raise ValueError(f"dtype is one of {DTYPES}, not {dtype!r}")
    if not (folder / "config.json").is_file():
        raise NotThere(f"{folder} holds no config.json, so it is not a model folder; check the path")
    logging.disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(
            str(folder),
            dtype=getattr(torch, dtype),
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
        )
    except (OSError, ValueError) as error:
        raise BadInput(f"{folder} cannot be loaded by transformers: {error}") from None
    model.eval()
    return model if adapter is None else _with_adapter(model, adapter)


def load_tokenizer(folder: Path) -> Any:
    """The transformers tokenizer in `folder`. Rendering is done by serve/chat.py, not by it."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)


def _with_adapter(model: Any, adapter: Path) -> Any:
    from peft import PeftModel

    for name in ("adapter_config.json", "adapter_model.safetensors"):
        if not (adapter / name).is_file():
            raise NotThere(f"{adapter} holds no {name}, so it is not an adapter; check the path")
    return PeftModel.from_pretrained(model, str(adapter), is_trainable=False).eval()
