"""One folder layout for everything that can be served, and the one function that opens it.

    model.json               what this is, with a hash of every other file
    model.gguf               or safetensors files
    tokenizer.json  tokenizer_config.json  chat_template.jinja  generation_config.json
    artifact.json            where the folder is an artifact of a run

A base model, a merged model, an export and a bundle's `model/` all look like this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from serve.chat import ChatFormat
from tunery.errors import BadInput, BrokenIntegrity, NotThere
from tunery.files import PARTIAL, read_json, write_json_whole
from tunery.hashes import hash_folder, sha256_file

MANIFEST_FILE = "model.json"
SCHEMA = 1
_NOT_HASHED = {MANIFEST_FILE, "artifact.json"}

WeightFormat = Literal["gguf", "safetensors"]


@dataclass(frozen=True)
class ModelManifest:
    """What `model.json` says.

    `quant` is a llama.cpp type such as "q8_0", or None for safetensors. `weights` and
    the keys of `files` are POSIX paths relative to the folder; `files` maps each to its
    SHA-256. `context_length` and `vocab_size` are in tokens.
    """

    name: str
    format: WeightFormat
    quant: str | None
    weights: tuple[str, ...]
    context_length: int
    vocab_size: int
    stop_ids: tuple[int, ...]
    bos_id: int | None
    template_sha256: str
    files: dict[str, str]
    schema: int = SCHEMA


@dataclass(frozen=True)
class OpenModel:
    """A model folder that was read and, unless asked otherwise, verified."""

    path: Path
    manifest: ModelManifest
    chat: ChatFormat

    @property
    def weights(self) -> Path:
        """The first weights file."""
        return self.path / self.manifest.weights[0]


def write_model_manifest(
    folder: Path,
    *,
    name: str,
    format: WeightFormat,
    quant: str | None,
    weights: Sequence[str],
    context_length: int,
) -> ModelManifest:
    """Write `model.json` into a folder that holds everything else already, and return it.

    Raises BadInput when the folder has no tokenizer or chat template, NotThere when a
    weights file is missing.
    """
    for weight in weights:
        if not (folder / weight).is_file():
            raise NotThere(f"{folder} has no {weight}; write the weights before the manifest")
    chat = ChatFormat.open(folder)
    manifest = ModelManifest(
        name=name,
        format=format,
        quant=quant,
        weights=tuple(weights),
        context_length=context_length,
        vocab_size=chat.vocab_size,
        stop_ids=chat.stop_ids,
        bos_id=chat.bos_id,
        template_sha256=chat.template_sha256,
        files={path: digest for path, digest in hash_folder(folder).items() if _is_hashed(path)},
    )
    write_json_whole(folder / MANIFEST_FILE, asdict(manifest))
    return manifest


def read_model_manifest(folder: Path) -> ModelManifest:
    """Read `model.json` alone. Raises NotThere without one, BrokenIntegrity for a foreign one."""
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise NotThere(
            f"{folder} holds no {MANIFEST_FILE}, so it is not a model that can be opened; check the path"
        )
    value = read_json(path)
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        raise BrokenIntegrity(f"{path} was written by another version of Tunery; export the model again")
    try:
        return _manifest_from(value)
    except (TypeError, KeyError) as error:
        raise BrokenIntegrity(f"{path} does not describe a model ({error}); export the model again") from None


def open_model(folder: Path, *, verify: bool = True) -> OpenModel:
    """Open a model folder: manifest, and the renderer that goes with the weights.

    With `verify`, every listed file is hashed first (about a second per GB). Raises
    BrokenIntegrity when a file, the template or the stop ids are not what was exported,
    NotThere when the folder is no model.
    """
    manifest = read_model_manifest(folder)
    if verify:
        _verify_files(folder, manifest)
    try:
        chat = ChatFormat.open(folder)
    except BadInput as error:
        raise BrokenIntegrity(f"{folder} lost a part of its chat format: {error}") from None
    if chat.template_sha256 != manifest.template_sha256:
        raise BrokenIntegrity(
            f"the chat template of {folder} is not the one the model was exported with, so its answers "
            "would be wrong; export the model again"
        )
    if chat.stop_ids != manifest.stop_ids or chat.vocab_size != manifest.vocab_size:
        raise BrokenIntegrity(
            f"the tokenizer of {folder} has other stop tokens or another size than {MANIFEST_FILE} says; "
            "export the model again"
        )
    return OpenModel(folder, manifest, chat)


def _verify_files(folder: Path, manifest: ModelManifest) -> None:
    for name, digest in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise BrokenIntegrity(
                f"{path} is missing though {MANIFEST_FILE} lists it; export the model again"
            )
        if sha256_file(path) != digest:
            raise BrokenIntegrity(f"{path} is not the file that was exported; export the model again")


def _is_hashed(path: str) -> bool:
    return path not in _NOT_HASHED and not path.rpartition("/")[2].startswith(PARTIAL)


def _manifest_from(value: dict[str, Any]) -> ModelManifest:
    weights = tuple(value["weights"])
    # A manifest may come with a downloaded folder: it must not name files outside of it.
    for name in (*weights, *value["files"]):
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise KeyError(f"the path {name!r} leads out of the folder")
    if not weights or not set(weights) <= set(value["files"]):
        raise KeyError("weights without a hash")
    return ModelManifest(**{**value, "weights": weights, "stop_ids": tuple(value["stop_ids"])})
