"""What `model.base` may be, and how each thing that cannot be tuned is refused."""

import json
import shutil
import struct

import pytest

from core.models import find
from core.models.find import find_base
from core.models.load import load_model
from serve.model_folder import open_model
from tunery.errors import BadInput, NotThere, TuneryError


@pytest.fixture
def hugging_face_folder(tiny_model_folder, tmp_path):
    """A folder as a person has it: no model.json."""
    folder = tmp_path / "recipe" / "my-model"
    shutil.copytree(tiny_model_folder, folder)
    (folder / "model.json").unlink()
    return folder


def refusal(base, workspace, folder) -> TuneryError:
    with pytest.raises(TuneryError) as caught:
        find_base(str(base), workspace, folder)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_folder_is_linked_into_the_workspace_and_left_alone(hugging_face_folder, workspace, tmp_path):
    before = sorted(path.name for path in hugging_face_folder.iterdir())
    found = find_base("my-model", workspace, tmp_path / "recipe")
    assert found.parent == workspace.models
    assert sorted(path.name for path in hugging_face_folder.iterdir()) == before
    manifest = open_model(found).manifest
    assert (manifest.name, manifest.format, manifest.context_length) == ("my-model", "safetensors", 512)
    assert manifest.weights == ("model.safetensors",)
    assert find_base(str(hugging_face_folder), workspace, tmp_path) == found
    assert load_model(found, dtype="bfloat16").config.hidden_size == 64


def test_a_folder_that_changed_is_another_base(hugging_face_folder, workspace, tmp_path):
    first = find_base("my-model", workspace, tmp_path / "recipe")
    config = hugging_face_folder / "generation_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "temperature": 0.5}))
    second = find_base("my-model", workspace, tmp_path / "recipe")
    assert first != second
    assert (first / "model.json").read_bytes() != (second / "model.json").read_bytes()


def test_a_folder_with_model_json_is_taken_as_it_is(tiny_model_folder, workspace, tmp_path):
    assert find_base(str(tiny_model_folder), workspace, tmp_path) == tiny_model_folder
    assert not workspace.models.exists()


def test_a_base_in_the_workspace_that_somebody_changed_is_made_anew(hugging_face_folder, workspace, tmp_path):
    found = find_base(str(hugging_face_folder), workspace, tmp_path)
    (found / "tokenizer_config.json").unlink()
    (found / "tokenizer_config.json").write_text("{}")
    assert find_base(str(hugging_face_folder), workspace, tmp_path) == found
    assert (found / "tokenizer_config.json").is_symlink()
    open_model(found)


def test_a_folder_without_chat_template_is_refused_and_leaves_nothing(
    hugging_face_folder, workspace, tmp_path
):
    (hugging_face_folder / "chat_template.jinja").unlink()
    assert "no chat template; use an instruction-tuned model" in str(
        refusal(hugging_face_folder, workspace, tmp_path)
    )
    assert list(workspace.models.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (
            lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"),
            "no safetensors weights",
        ),
        (lambda folder: (folder / "config.json").unlink(), "no config.json"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json is not valid JSON"),
        (lambda folder: (folder / "config.json").write_text("[]"), "config.json is not a JSON object"),
        (lambda folder: (folder / "config.json").write_text('{"auto_map": {}}'), "Python code of its own"),
        (
            lambda folder: (folder / "config.json").write_text('{"model_type": "t5"}'),
            "context length is not known",
        ),
        (
            lambda folder: (folder / "adapter_config.json").write_text("{}"),
            "holds an adapter, not a whole model",
        ),
        (lambda folder: (folder / "tokenizer.json").unlink(), "no tokenizer.json"),
    ],
)
def test_a_folder_that_cannot_be_tuned_says_why(hugging_face_folder, workspace, tmp_path, change, what):
    change(hugging_face_folder)
    assert what in str(refusal(hugging_face_folder, workspace, tmp_path))


def test_an_export_is_no_base(tiny_model_folder, workspace, tmp_path):
    folder = shutil.copytree(tiny_model_folder, tmp_path / "export")
    manifest = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**manifest, "format": "gguf"}))
    assert "holds an export for serving" in str(refusal(folder, workspace, tmp_path))


@pytest.mark.parametrize("base", ["./nothing", "nothing", "weights/model.gguf", "/nowhere/model"])
def test_a_path_to_nothing_is_not_there(base, workspace, tmp_path):
    error = refusal(base, workspace, tmp_path)
    assert isinstance(error, NotThere)
    assert "smollm2-135m-instruct" in str(error)


def test_a_hub_model_with_the_hub_off_is_one_sentence(workspace, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    error = refusal("someone/some-model", workspace, tmp_path)
    assert isinstance(error, NotThere)
    assert "the hub cannot be reached for 'someone/some-model'" in str(error)
    assert "set model.base to a folder" in str(error)


def test_a_hub_model_is_linked_under_its_id(hugging_face_folder, workspace, tmp_path, monkeypatch):
    monkeypatch.setattr(find, "_download", lambda base: hugging_face_folder)
    found = find_base("someone/some-model", workspace, tmp_path)
    assert found.name.startswith("someone--some-model-")
    assert open_model(found).manifest.name == "someone/some-model"


def test_the_embedding_starter_is_no_chat_model(workspace, tmp_path):
    error = refusal("all-minilm-l6-v2", workspace, tmp_path)
    assert isinstance(error, BadInput)
    assert "set model.base to a chat model such as smollm2-135m-instruct" in str(error)


def test_a_starter_whose_package_is_missing_says_what_to_install(workspace, tmp_path, monkeypatch):
    monkeypatch.setattr("core.models.starters.find_spec", lambda name: None)
    error = refusal("smollm2-135m-instruct", workspace, tmp_path)
    assert isinstance(error, NotThere)
    assert "install the `starter` extra" in str(error)


@pytest.mark.parametrize(
    "content", [b"", b"GGUF", b"hello world, this is no model", b"GGUF" + struct.pack("<I", 3) + b"\xff" * 40]
)
def test_a_broken_gguf_is_refused_and_leaves_nothing(content, workspace, tmp_path):
    (tmp_path / "a.gguf").write_bytes(content)
    assert "a.gguf" in str(refusal("a.gguf", workspace, tmp_path))
    assert list(workspace.models.iterdir()) == []


def test_what_a_killed_unpacking_left_is_swept_away_by_the_next(hugging_face_folder, workspace, tmp_path):
    left = workspace.models / ".partial-0123abcd-my-model-0"
    left.mkdir(parents=True)
    (left / "model.safetensors").write_bytes(b"half")
    find_base(str(hugging_face_folder), workspace, tmp_path)
    assert not left.exists()
