"""GGUF files: convert a model folder, quantize, and say what is inside.

convert_to_f16(source, gguf, ...)      safetensors folder -> one f16 file
quantize(f16, gguf, "q4_k_m")          f16 file -> smaller file
write_gguf_model(source, out, ...)     both, and the folder that `serve` opens
describe_gguf(path)                    what a file says of itself and of its tensors
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.models.converter import run_converter
from core.models.gguf_header import TensorInfo, read_header
from serve.model_folder import ModelManifest, read_model_manifest, write_model_manifest
from tunery.errors import TuneryError
from tunery.files import need_room, whole_file

FILE_TYPES = {"q8_0": "LLAMA_FTYPE_MOSTLY_Q8_0", "q4_k_m": "LLAMA_FTYPE_MOSTLY_Q4_K_M"}
WEIGHTS = "model.gguf"

# What llama.cpp means each matrix to be; a row it cannot cut into blocks gets a larger type.
_MEANT = {"f16": {"F16"}, "q8_0": {"Q8_0"}, "q4_k_m": {"Q4_K", "Q6_K"}}
# Upper bounds of size against f16, with every matrix fallen back.
_RATIO = {"f16": 1.0, "q8_0": 0.55, "q4_k_m": 0.45}

# What a served model needs beside its weights; README.md carries the licence.
CHAT_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "generation_config.json",
    "README.md",
)


@dataclass(frozen=True)
class Fallback:
    """`count` tensors named like `tensor` (such as "blk.*.attn_q.weight") have the larger `type`."""

    tensor: str
    type: str
    count: int


@dataclass(frozen=True)
class GgufFacts:
    """What a GGUF file says of itself.

    `types` maps a tensor type to the number of weights stored in it. `bits_per_weight`
    counts the tensors' bytes only, without vocabulary and other metadata. `metadata`
    holds the plain values, without the lists.
    """

    metadata: dict[str, Any]
    size_bytes: int
    weights: int
    bits_per_weight: float
    types: dict[str, int]
    tensors: tuple[TensorInfo, ...]

    def fallbacks(self, quant: str) -> list[Fallback]:
        """Matrices that are not in a type which `quant` means for them, alike names together."""
        odd: Counter[tuple[str, str]] = Counter()
        for tensor in self.tensors:
            if len(tensor.shape) > 1 and tensor.type not in _MEANT[quant]:
                odd[re.sub(r"\.\d+\.", ".*.", tensor.name), tensor.type] += 1
        return [Fallback(tensor, kind, count) for (tensor, kind), count in sorted(odd.items())]


def write_gguf_model(
    source: Path, out: Path, *, name: str, quant: str, base: str | None = None, f16: Path | None = None
) -> ModelManifest:
    """Fill the folder `out` with the model of `source` as GGUF, ready for `serve.model_folder.open_model`.

    `source` is a safetensors folder with model.json; `base` names what it was tuned
    from. With `f16`, a GGUF of the same weights, nothing is converted. `model.json` is
    written last. Raises NoRoom before anything is written.
    """
    manifest = read_model_manifest(source)
    bytes_f16 = f16.stat().st_size if f16 else estimate_f16_bytes(source)
    intermediate = 0 if f16 else bytes_f16
    need_room(out, int(bytes_f16 * _RATIO[quant]) + intermediate, f"the {quant} export of {name}")
    copy_chat_files(source, out)
    target = out / WEIGHTS
    if f16 is None:
        convert_to_f16(source, target, name=name, base=base)
        if quant != "f16":
            half = target.rename(out / "f16.gguf")
            quantize(half, target, quant)
            half.unlink()
    elif quant == "f16":
        _same_file(f16, target)
    else:
        quantize(f16, target, quant)
    return write_model_manifest(
        out,
        name=name,
        format="gguf",
        quant=quant,
        weights=(WEIGHTS,),
        context_length=manifest.context_length,
    )


def convert_to_f16(source: Path, gguf: Path, *, name: str, base: str | None = None) -> None:
    """Convert the safetensors model in `source` to the file `gguf`, whole or not at all.

    The file carries `name`, the chat template, the licence if README.md in `source`
    names one, and `base` as the model it was tuned from. Errors as `run_converter`.
    """
    metadata: dict[str, Any] = {"general.name": name}
    if base:
        organization, _, model = base.rpartition("/")
        origin = {"name": model, "organization": organization} if organization else {"name": model}
        metadata["general.base_models"] = [origin]
    with whole_file(gguf) as temporary:
        run_converter(source, temporary, metadata)


def quantize(f16: Path, gguf: Path, quant: str) -> None:
    """Quantize the f16 file to `gguf`, whole or not at all, in a child process.

    `quant` is "q8_0" or "q4_k_m". Raises BrokenIntegrity when `f16` is no whole GGUF,
    TuneryError when llama.cpp fails or dies.
    """
    with whole_file(gguf) as temporary:
        result = subprocess.run(
            [sys.executable, "-P", "-m", "core.models.quantize_child", str(f16), str(temporary), quant],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if result.returncode or not temporary.is_file():
            describe_gguf(f16)
            raise TuneryError(f"llama.cpp could not quantize {f16} to {quant}: {_last_words(result)}")


def describe_gguf(path: Path) -> GgufFacts:
    """Read a GGUF file's metadata and the list of its tensors; weights are not read.

    Raises BrokenIntegrity when the file is not GGUF or ends before its last tensor.
    """
    header = read_header(path)
    types: Counter[str] = Counter()
    for tensor in header.tensors:
        types[tensor.type] += tensor.weights
    weights = sum(types.values())
    stored = sum(tensor.size_bytes for tensor in header.tensors)
    return GgufFacts(
        metadata=header.metadata,
        size_bytes=path.stat().st_size,
        weights=weights,
        bits_per_weight=8 * stored / weights if weights else 0.0,
        types=dict(types),
        tensors=header.tensors,
    )


def estimate_f16_bytes(source: Path) -> int:
    """An upper bound of the f16 file's size, from the safetensors files; 16 MiB for the vocabulary."""
    return sum(path.stat().st_size for path in source.glob("*.safetensors")) + 16 * 2**20


def copy_chat_files(source: Path, out: Path) -> None:
    """Copy what a model needs beside its weights, byte for byte."""
    for name in CHAT_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, out / name)


def _same_file(source: Path, target: Path) -> None:
    """One file under two names where the disk can do that, else a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _last_words(result: subprocess.CompletedProcess[str]) -> str:
    if result.returncode < 0:
        return f"it was killed by signal {-result.returncode}; close other programs and run again"
    lines = [line.strip() for line in result.stderr.splitlines() if line.strip()]
    wrong = [line for line in lines if "error" in line.lower() or "failed" in line.lower()]
    return (wrong or lines or [f"it ended with {result.returncode}"])[-1]
