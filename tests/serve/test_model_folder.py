"""A model folder is opened as it was exported, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from serve.model_folder import open_model, read_model_manifest, write_model_manifest
from tunery.errors import BrokenIntegrity, NotThere


@pytest.fixture
def folder(starter_chat_folder: Path, tmp_path: Path) -> Path:
    for path in starter_chat_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.gguf").write_bytes(b"GGUF stands in for weights that nobody loads here")
    (tmp_path / ".partial-1234-left.json").write_text("left by a killed writer")
    write_model_manifest(
        tmp_path, name="m", format="gguf", quant="q8_0", weights=["model.gguf"], context_length=128
    )
    return tmp_path


def test_what_was_written_is_what_is_opened(folder: Path) -> None:
    model = open_model(folder)
    assert model.manifest == read_model_manifest(folder)
    assert model.manifest.stop_ids == model.chat.stop_ids == (2,)
    assert model.manifest.bos_id == 1
    assert model.weights == folder / "model.gguf"
    assert set(model.manifest.files) == {
        path.name
        for path in folder.iterdir()
        if path.name != "model.json" and not path.name.startswith(".partial-")
    }


def test_files_added_later_such_as_a_certificate_do_not_break_a_model(folder: Path) -> None:
    (folder / "parity.json").write_text("{}")
    (folder / "artifact.json").write_text("{}")
    assert open_model(folder).manifest.name == "m"


@pytest.mark.parametrize(
    "name", ["model.gguf", "tokenizer.json", "chat_template.jinja", "tokenizer_config.json"]
)
def test_a_changed_file_is_named(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(BrokenIntegrity, match=name):
        open_model(folder)


@pytest.mark.parametrize("name", ["model.gguf", "tokenizer.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BrokenIntegrity, match=name):
        open_model(folder)


def test_another_template_is_refused_even_where_files_are_not_hashed(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")
    with pytest.raises(BrokenIntegrity, match="chat template"):
        open_model(folder, verify=False)


def test_other_stop_tokens_are_refused_even_where_files_are_not_hashed(folder: Path) -> None:
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, 5]}))
    with pytest.raises(BrokenIntegrity, match="stop tokens"):
        open_model(folder, verify=False)


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 99},
        {"weights": []},
        {"weights": ["../other.gguf"]},
        {"files": {"/etc/passwd": "0"}},
        {"unknown": 1},
    ],
    ids=["schema", "no weights", "weights outside", "files outside", "unknown key"],
)
def test_a_foreign_manifest_is_refused(folder: Path, change: dict) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(BrokenIntegrity, match=r"model\.json"):
        open_model(folder)


def test_a_folder_that_is_no_model_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotThere, match=r"model\.json"):
        open_model(tmp_path)


def test_a_manifest_is_not_written_without_weights(starter_chat_folder: Path) -> None:
    with pytest.raises(NotThere, match=r"no\.gguf"):
        write_model_manifest(
            starter_chat_folder, name="m", format="gguf", quant=None, weights=["no.gguf"], context_length=1
        )
