"""From a GGUF file to a folder in the safetensors layout of transformers.

transformers rebuilds the model and most of the tokenizer. The weights are kept as
float32: a dequantized value is scale times a small integer plus an offset, which
neither float16 nor bfloat16 holds exactly.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.models.licence import write_licence
from tunery.errors import BadInput
from tunery.files import need_room, write_json_whole

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Bump it when the unpacked files change, so that workspaces unpack anew.
UNPACK_VERSION = 2

# Digits of several scripts, contractions, white space and symbols: where pre-tokenizers differ.
_PROBE = (
    "Order 12345, 99.50 EUR on 2024-01-02; I'm sure WE'LL can't 'RE  two  spaces\n\n \t"
    "def f(x):\n    return x\u00b2 \u00dcn\u00efcode \u65e5\u672c\u8a9e "
    "\uff11\uff12\uff13 \u00bd \u0663\u0664 \U0001f600\u200d ------====!!!???..."
)


def unpack_gguf(gguf: Path, folder: Path) -> int:
    """Fill the empty `folder` with config, float32 safetensors, tokenizer and chat template.

    Returns the model's context length in tokens. Raises BadInput when the file is no
    GGUF, its architecture is unknown to transformers, or its tokenizer cannot be
    rebuilt so that it cuts text as llama.cpp does.
    """
    facts = _read_facts(gguf)
    need_room(folder, facts["bytes"], f"the unpacked {gguf.name}")
    _save_model(gguf, folder, facts)
    _save_tokenizer(gguf, folder, facts)
    write_licence(folder, facts["licence"])
    return int(facts["context_length"])


def unpack_chat_format(gguf: Path, folder: Path) -> None:
    """Write tokenizer, chat template and stop ids alone, without the weights; seconds."""
    facts = _read_facts(gguf)
    _save_tokenizer(gguf, folder, facts)
    write_json_whole(folder / "generation_config.json", {"eos_token_id": facts["stop_ids"]})


def _read_facts(gguf: Path) -> dict[str, Any]:
    """What the GGUF says of itself, and `bytes`: the room its weights take as float32, with some to spare."""
    from gguf import GGUFReader

    try:
        reader = GGUFReader(str(gguf))
    except (ValueError, OSError, IndexError, KeyError) as error:
        raise BadInput(
            f"{gguf} cannot be read as a GGUF file ({error}); download or convert it again"
        ) from None

    def value(key: str) -> Any:
        field = reader.fields.get(key)
        return None if field is None else field.contents()

    architecture = value("general.architecture")
    context_length = value(f"{architecture}.context_length")
    if not isinstance(context_length, int):
        raise BadInput(
            f"{gguf} does not say how long its context is; it is not a language model that can be tuned"
        )
    if value("tokenizer.chat_template") is None:
        raise BadInput(
            f"{gguf} has no chat template, so it is not clear how it talks; use its instruct version"
        )
    stops = [value(f"tokenizer.ggml.{name}_token_id") for name in ("eos", "eot")]
    return {
        "context_length": context_length,
        "licence": value("general.license"),
        "pre": value("tokenizer.ggml.pre"),
        "bytes": 4 * sum(int(tensor.n_elements) for tensor in reader.tensors) + 32 * 2**20,
        "stop_ids": sorted({stop for stop in stops if isinstance(stop, int)}),
    }


def _save_model(gguf: Path, folder: Path, facts: dict[str, Any]) -> None:
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(
            str(gguf.parent),
            gguf_file=gguf.name,
            dtype=torch.float32,
            local_files_only=True,
            trust_remote_code=False,
        )
    except (ValueError, NotImplementedError, KeyError) as error:
        raise BadInput(
            f"{gguf} cannot be unpacked by transformers ({error}); use the model's safetensors folder"
        ) from None
    # The marks of a quantized model would make save_pretrained refuse, though the weights are plain by now.
    model.config.__dict__.pop("quantization_config", None)
    model.config.__dict__.pop("_name_or_path", None)
    model.is_quantized = False
    model.hf_quantizer = None
    model.generation_config.eos_token_id = facts["stop_ids"]
    model.generation_config._from_model_config = False
    model.save_pretrained(str(folder))
    config_file = folder / "config.json"
    config = json.loads(config_file.read_text(encoding="utf-8"))
    config.pop("_model_name_or_path", None)
    write_json_whole(config_file, config)


def _save_tokenizer(gguf: Path, folder: Path, facts: dict[str, Any]) -> None:
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name, local_files_only=True)
    tokenizer.save_pretrained(str(folder))
    tokenizer_file = folder / "tokenizer.json"
    rebuilt = Tokenizer.from_file(str(tokenizer_file))
    _set_pre_tokenizer(rebuilt, facts["pre"])
    rebuilt.save(str(tokenizer_file))
    _check_tokenizer(gguf, rebuilt)
    config_file = folder / "tokenizer_config.json"
    config = json.loads(config_file.read_text(encoding="utf-8"))
    # A class that takes tokenizer.json as it is; model-specific ones build their own pre-tokenizer.
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    config["model_max_length"] = facts["context_length"]
    for key in ("is_local", "local_files_only", "backend", "name_or_path"):
        config.pop(key, None)
    write_json_whole(config_file, config)


def _set_pre_tokenizer(tokenizer: Tokenizer, kind: str | None) -> None:
    """Put back what transformers drops: it rebuilds every byte-level tokenizer as GPT-2's."""
    from tokenizers import pre_tokenizers as parts

    if kind in ("smollm", "starcoder", "refact", "command-r", "codeshell"):
        tokenizer.pre_tokenizer = parts.Sequence(
            [parts.Digits(individual_digits=True), parts.ByteLevel(add_prefix_space=False, use_regex=True)]
        )


def _check_tokenizer(gguf: Path, tokenizer: Tokenizer) -> None:
    from llama_cpp import Llama

    vocabulary = Llama(str(gguf), vocab_only=True, verbose=False)
    expected = vocabulary.tokenize(_PROBE.encode(), add_bos=False, special=False)
    if list(expected) != tokenizer.encode(_PROBE, add_special_tokens=False).ids:
        raise BadInput(
            f"the tokenizer in {gguf} cannot be rebuilt exactly; use the model's safetensors folder instead"
        )
