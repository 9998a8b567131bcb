"""From what the recipe calls `model.base` to a folder that everything else reads.

That folder holds a model in the safetensors layout of transformers and `model.json`
(see serve/model_folder.py). It lies in the workspace: unpacked there whole from a
packaged starter or a GGUF file, or filled with links to a folder of yours, in which
nothing is ever written. A recipe's own chat template makes another such folder of links.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.models.licence import find_licence, write_licence
from core.models.starters import STARTERS, find_starter_gguf
from core.models.templates import ChatTemplate, fit_template, read_template, write_template
from core.workspace.artifacts import ARTIFACT_FILE
from core.workspace.home import Workspace
from core.workspace.locks import one_at_a_time
from serve.model_folder import open_model, write_model_manifest
from tunery.errors import BadInput, BrokenIntegrity, NotThere
from tunery.files import remove_partials, whole_folder
from tunery.hashes import sha256_file, sha256_text

MODEL_FILE = "model.json"


def find_base(base: str, workspace: Workspace, recipe_folder: Path, template: str | None = None) -> Path:
    """The folder of the base model, with `model.json`.

    `base` is a packaged starter, a .gguf file, a folder, or a hub id, and `template` what
    the recipe calls the chat template that takes the place of its own. Paths start at
    `recipe_folder`. Raises NotThere when there is no such model or template or the hub
    cannot be reached, and BadInput when it is there and cannot be tuned: no chat template,
    or one that does not fit, weights that are not safetensors, or code of its own.
    """
    chosen = None if template is None else read_template(template, recipe_folder)
    starter = STARTERS.get(base.lower())
    path = recipe_folder / Path(base).expanduser()
    ready = True
    if starter is not None:
        name, folder = starter.name, _unpacked(starter.name, find_starter_gguf(starter), workspace)
    elif path.is_file() and base.endswith(".gguf"):
        name, folder = path.stem, _unpacked(path.stem, path, workspace)
    elif path.is_dir():
        ready = (path / MODEL_FILE).is_file()
        name, folder = path.name, _checked(path) if ready else path
    else:
        _need_hub_id(base, recipe_folder)
        ready = False
        name, folder = base, _download(base)
    return folder if ready and chosen is None else _linked(name, folder, workspace, chosen)


def check_base(base: str, recipe_folder: Path, template: str | None = None) -> None:
    """Raise what `find_base` would, as far as a moment can tell: nothing is unpacked or downloaded.

    A hub id is only looked up where the hub is switched off: then it is in the hub
    library's cache or nowhere.
    """
    chosen = None if template is None else read_template(template, recipe_folder)
    starter = STARTERS.get(base.lower())
    path = recipe_folder / Path(base).expanduser()
    if starter is not None:
        find_starter_gguf(starter)
    elif path.is_dir():
        if not (path / MODEL_FILE).is_file():
            _check_source(path)
        if chosen is not None:
            fit_template(chosen, path)
    elif not (path.is_file() and base.endswith(".gguf")):
        _need_hub_id(base, recipe_folder)
        if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
            _check_source(_download(base))


def _need_hub_id(base: str, recipe_folder: Path) -> None:
    if base.endswith(".gguf") or base.startswith(("/", ".", "~")) or not _looks_like_hub_id(base):
        raise NotThere(
            f"model.base {base!r} is neither a packaged starter ({', '.join(_chat_starters())}) "
            f"nor a file or folder below {recipe_folder.resolve()}; correct the path"
        )


def _chat_starters() -> list[str]:
    return [starter.name for starter in STARTERS.values() if starter.chats]


def _looks_like_hub_id(base: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", base) is not None


def _unpacked(name: str, gguf: Path, workspace: Workspace) -> Path:
    from core.models.unpack import UNPACK_VERSION, unpack_gguf

    def fill(folder: Path) -> int:
        return unpack_gguf(gguf, folder)

    return _made_once(name, sha256_text(f"{UNPACK_VERSION} {sha256_file(gguf)}"), fill, workspace)


def _linked(name: str, source: Path, workspace: Workspace, template: ChatTemplate | None) -> Path:
    """A folder of links to `source`, with another chat template where one is given.

    A changed file there makes a new one.
    """
    context_length = _check_source(source)
    files = sorted(path for path in source.iterdir() if path.is_file() and not path.name.startswith("."))
    files = [path for path in files if path.suffix in (".json", ".jinja", ".safetensors", ".txt", ".model")]
    files = [path for path in files if path.name not in (MODEL_FILE, ARTIFACT_FILE)]
    stats = [(path.name, (stat := path.stat()).st_size, stat.st_mtime_ns) for path in files]
    key = [str(source.resolve()), stats, *([template.text] if template else [])]

    def fill(folder: Path) -> int:
        for path in files:
            (folder / path.name).symlink_to(path.resolve())
        if template is not None:
            write_template(template, folder)
        write_licence(folder, find_licence(source))
        return context_length

    return _made_once(name, sha256_text(json.dumps(key)), fill, workspace)


def _check_source(source: Path) -> int:
    """Refuse what cannot be tuned; return the model's context length in tokens."""
    if (source / "adapter_config.json").is_file():
        raise BadInput(
            f"{source} holds an adapter, not a whole model; set model.base to the model it was trained on"
        )
    config = _read_config(source)
    if "auto_map" in config:
        raise BadInput(
            f"{source} needs Python code of its own, which Tunery never runs; use a model that does not"
        )
    if not list(source.glob("*.safetensors")):
        raise BadInput(
            f"{source} holds no safetensors weights; other formats may run code when they are read: "
            "convert the model to safetensors first"
        )
    context_length = config.get("max_position_embeddings", config.get("n_positions"))
    if not isinstance(context_length, int):
        raise BadInput(
            f"{source / 'config.json'} has no max_position_embeddings, so its context length is not known"
        )
    return context_length


def _read_config(source: Path) -> dict[str, Any]:
    path = source / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(
            f"{source} holds no config.json, so it is not a model folder; correct model.base"
        ) from None
    except (ValueError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is not valid JSON ({error}); download the model again") from None
    if not isinstance(config, dict):
        raise BadInput(f"{path} is not a JSON object; download the model again")
    return config


def _made_once(name: str, key: str, fill: Callable[[Path], int], workspace: Workspace) -> Path:
    """`workspace.models/<name>-<key>`, made by `fill` unless it is there and unchanged."""
    folder = workspace.models / f"{name.replace('/', '--')}-{key[:12]}"
    with one_at_a_time(workspace, "models"):
        if folder.is_dir():
            try:
                return _checked(folder)
            except (BrokenIntegrity, NotThere):
                pass  # Something changed it; it holds nothing that cannot be made again.
        remove_partials(workspace.models)
        with whole_folder(folder) as temporary:
            context_length = fill(temporary)
            weights = tuple(sorted(path.name for path in temporary.glob("*.safetensors")))
            write_model_manifest(
                temporary,
                name=name,
                format="safetensors",
                quant=None,
                weights=weights,
                context_length=context_length,
            )
        return folder


def _checked(folder: Path) -> Path:
    model = open_model(folder)
    if model.manifest.format != "safetensors":
        raise BadInput(f"{folder} holds an export for serving; set model.base to the model it was made from")
    return folder


def _download(base: str) -> Path:
    """A snapshot of a hub model in the hub library's own cache: safetensors and text files only."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    wanted = ["*.safetensors", "*.json", "*.jinja", "*.txt", "*.model", "README.md"]
    try:
        return Path(snapshot_download(base, allow_patterns=wanted))
    except RepositoryNotFoundError:
        raise NotThere(
            f"the hub has no model {base!r}, or you may not see it; correct model.base or log in to the hub"
        ) from None
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, OSError) as error:
        raise NotThere(
            f"the hub cannot be reached for {base!r} ({type(error).__name__}); set model.base to a folder, "
            f"a .gguf file or a packaged starter ({', '.join(_chat_starters())}), or switch the network on"
        ) from None
