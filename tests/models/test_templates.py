"""A recipe's own chat template: it fits the model and is used everywhere, or it is refused with a way out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from core.models.find import check_base, find_base
from core.models.templates import NAMED, fit_template, read_template
from core.pipeline.plan import make_plan
from core.pipeline.task import base_of
from core.recipe.load import load_recipe
from core.recipe.recipe import Recipe
from core.workspace.home import Workspace
from serve.chat import Message
from serve.model_folder import open_model
from tunery.errors import BadInput, NotThere, RecipeError

LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
# One turn longer than the chatml that SmolLM2 has as its own, which begins with a system turn.
SHOUTING = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n<|im_start|>ok<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# The token of another family stands in a comment, which writes nothing.
LETTERS = (
    "{# not <|eot_id|> #}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
TURNS = [
    Message("system", "Be brief."),
    Message("user", "Hello."),
    Message("assistant", "Yes."),
    Message("user", "More?"),
    Message("assistant", "No."),
]


def family(starter: Path, folder: Path, names: Mapping[str, str], own: str | None = None) -> Path:
    """SmolLM2's chat files with other names for its first special tokens."""
    folder.mkdir()
    for path in starter.iterdir():
        shutil.copy(path, folder / path.name)
    document = json.loads((folder / "tokenizer.json").read_text())
    for token in document["added_tokens"]:
        token["content"] = names.get(token["content"], token["content"])
    document["model"]["vocab"] = {
        names.get(token, token): number for token, number in document["model"]["vocab"].items()
    }
    split = {"type": "Split", "pattern": {"Regex": LLAMA_3}, "behavior": "Isolated", "invert": False}
    in_bytes = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    document["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [split, in_bytes]}
    (folder / "tokenizer.json").write_text(json.dumps(document))
    (folder / "tokenizer_config.json").write_text("{}")
    (folder / "generation_config.json").write_text("{}")
    if own is None:
        (folder / "chat_template.jinja").unlink()
    else:
        (folder / "chat_template.jinja").write_text(own)
    return folder


OLD = ("<|im_end|>", "<|im_start|>", "<repo_name>", "<reponame>", "<file_sep>")
WRITES = {
    "chatml": "<|im_start|>user\nHello.<|im_end|>\n<|im_start|>assistant\nYes.<|im_end|>\n",
    "llama3": (
        "<|start_header_id|>user<|end_header_id|>\n\nHello.<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nYes.<|eot_id|>"
    ),
    "mistral": "<s>[INST] Be brief.\n\nHello.[/INST] Yes.</s>[INST] More?[/INST] No.</s>",
    "gemma": (
        "<bos><start_of_turn>user\nBe brief.\n\nHello.<end_of_turn>\n"
        "<start_of_turn>model\nYes.<end_of_turn>\n"
    ),
    "phi3": "<|system|>\nBe brief.<|end|>\n<|user|>\nHello.<|end|>\n<|assistant|>\nYes.<|end|>\n",
    "zephyr": "<|user|>\nHello.</s>\n<|assistant|>\nYes.</s>\n",
}


@pytest.mark.parametrize("name", NAMED)
def test_a_named_template_fits_a_model_that_has_its_tokens(
    name: str, starter_chat_folder: Path, tmp_path: Path
) -> None:
    names = dict(zip(OLD, reversed(NAMED[name].controls), strict=False))
    chat = fit_template(NAMED[name], family(starter_chat_folder, tmp_path / "model", names))
    rendered = chat.render(TURNS, add_generation_prompt=False)
    assert WRITES[name] in rendered.text
    spoken = [chat.decode(rendered.ids[start:end]).strip() for start, end in rendered.assistant]
    assert spoken == ["Yes.", "No."]
    written = {
        chat.decode([number], skip_special=False) for number in rendered.ids if number in chat.control_ids
    }
    assert written == set(NAMED[name].controls)
    with pytest.raises(BadInput, match=r"leaves out|no turn of role|says nothing"):
        chat.render(TURNS, add_generation_prompt=False, tools=[{"type": "function"}])


@pytest.mark.parametrize("name", ["llama3", "mistral", "gemma", "phi3", "zephyr"])
def test_a_template_of_another_family_is_refused_and_the_one_that_fits_is_named(
    name: str, starter_chat_folder: Path
) -> None:
    with pytest.raises(BadInput) as caught:
        fit_template(NAMED[name], starter_chat_folder)
    sentence = str(caught.value)
    assert sentence.startswith(f"model.template {name} is made for other models: {NAMED[name].controls[0]}")
    assert sentence.endswith("set it to chatml or leave it out to use the model's own template")


def test_a_model_that_nothing_of_ours_fits_keeps_its_own(starter_chat_folder: Path, tmp_path: Path) -> None:
    folder = family(starter_chat_folder, tmp_path / "model", {"<|im_end|>": "<|stop|>"}, own="{{ messages }}")
    with pytest.raises(BadInput, match=r"chatml is made .*; leave it out to use the model's own template$"):
        fit_template(NAMED["chatml"], folder)
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(BadInput, match=r"; use a template that was made for this model$"):
        fit_template(NAMED["chatml"], folder)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{{ '<|eot_id|>' }}", r"mine\.jinja is made for other models: <\|eot_id\|> is no special token"),
        ("{{ messages[0].content }}", r"mine\.jinja does not fit this model \(the chat template"),
        (LETTERS, "without a stop token"),
        ("{% if %}", r"mine\.jinja: the chat template is wrong at line 1"),
    ],
    ids=["another family", "no answers", "no stop token", "no template"],
)
def test_a_file_that_cannot_be_trained_with_is_refused(
    text: str, sentence: str, starter_chat_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.jinja").write_text(text)
    with pytest.raises(BadInput, match=sentence):
        fit_template(read_template("mine.jinja", tmp_path), starter_chat_folder)


def test_what_the_models_own_template_writes_as_letters_may_be_letters_in_a_file(
    starter_chat_folder: Path, tmp_path: Path
) -> None:
    own = NAMED["zephyr"].text
    folder = family(starter_chat_folder, tmp_path / "model", {"<|im_end|>": "</s>"}, own=own)
    (tmp_path / "mine.jinja").write_text("<|user|>" + own)
    with pytest.raises(BadInput, match="are no special tokens of this model"):
        fit_template(read_template("mine.jinja", tmp_path), starter_chat_folder)
    (folder / "chat_template.jinja").write_text("<|user|><|assistant|>" + own)
    assert fit_template(read_template("mine.jinja", tmp_path), folder)


@pytest.mark.parametrize("wanted", ["chat-ml", "absent.jinja", "recipe.yaml"])
def test_a_template_that_is_not_there_is_named_with_those_that_are(wanted: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("x")
    with pytest.raises(NotThere, match="is neither one of chatml, llama3, mistral, gemma, phi3, zephyr nor"):
        read_template(wanted, tmp_path)
    with pytest.raises(NotThere, match="did you mean chatml"):
        read_template("chat-ml", tmp_path)


def test_a_base_with_another_template_is_a_folder_of_its_own_with_the_same_weights(
    tiny_model_folder: Path, workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "mine.jinja").write_text(SHOUTING)
    own = find_base(str(tiny_model_folder), workspace, tmp_path)
    found = find_base(str(tiny_model_folder), workspace, tmp_path, "mine.jinja")
    assert found.parent == workspace.models
    assert find_base(str(tiny_model_folder), workspace, tmp_path, "mine.jinja") == found
    assert (found / "model.safetensors").resolve() == (tiny_model_folder / "model.safetensors").resolve()
    assert (found / "chat_template.jinja").read_text() == SHOUTING
    before, after = open_model(own), open_model(found)
    assert after.manifest.template_sha256 != before.manifest.template_sha256
    assert after.manifest.context_length == before.manifest.context_length
    assert "ok<|im_end|>" in after.chat.render(TURNS, add_generation_prompt=False).text
    # Every step's fingerprint holds this digest.
    assert base_of(found).digest != base_of(own).digest
    assert "chat_template.jinja" in [path.name for path in tiny_model_folder.iterdir()]
    assert (tiny_model_folder / "chat_template.jinja").read_text() != SHOUTING


def test_an_edited_template_file_is_another_base(
    tiny_model_folder: Path, workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "mine.jinja").write_text(SHOUTING)
    first = find_base(str(tiny_model_folder), workspace, tmp_path, "mine.jinja")
    (tmp_path / "mine.jinja").write_text(SHOUTING.replace(">ok<", ">OK<"))
    second = find_base(str(tiny_model_folder), workspace, tmp_path, "mine.jinja")
    assert base_of(first).digest != base_of(second).digest


def test_a_model_without_a_template_gets_one_and_stops_where_it_says(
    tiny_model_folder: Path, workspace: Workspace, tmp_path: Path
) -> None:
    source = tmp_path / "bare"
    shutil.copytree(tiny_model_folder, source)
    (source / "model.json").unlink()
    (source / "chat_template.jinja").unlink()
    (source / "generation_config.json").write_text(json.dumps({"eos_token_id": 0, "temperature": 0.5}))
    settings = json.loads((source / "tokenizer_config.json").read_text())
    (source / "tokenizer_config.json").write_text(json.dumps({**settings, "eos_token": "<|endoftext|>"}))
    with pytest.raises(BadInput, match="no chat template"):
        find_base("bare", workspace, tmp_path)
    found = find_base("bare", workspace, tmp_path, "chatml")
    assert open_model(found).chat.generation_stop_ids == (0, 2)
    assert json.loads((found / "generation_config.json").read_text()) == {
        "eos_token_id": [0, 2],
        "temperature": 0.5,
    }
    assert json.loads((source / "generation_config.json").read_text())["eos_token_id"] == 0


def test_transformers_reads_the_chosen_template_and_not_the_one_in_the_settings(
    tiny_model_folder: Path, workspace: Workspace, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    source = tmp_path / "mine"
    shutil.copytree(tiny_model_folder, source)
    (source / "model.json").unlink()
    settings = json.loads((source / "tokenizer_config.json").read_text())
    (source / "tokenizer_config.json").write_text(json.dumps({**settings, "chat_template": "{{ 'other' }}"}))
    found = find_base("mine", workspace, tmp_path, "chatml")
    oracle = AutoTokenizer.from_pretrained(found, local_files_only=True)
    turns = [turn.to_dict() for turn in TURNS]
    expected = oracle.apply_chat_template(turns, return_dict=False)
    assert open_model(found).chat.render(TURNS, add_generation_prompt=False).ids == expected
    assert "chat_template" not in json.loads((found / "tokenizer_config.json").read_text())


def test_a_refused_template_leaves_nothing_behind(
    tiny_model_folder: Path, workspace: Workspace, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="set it to chatml"):
        find_base(str(tiny_model_folder), workspace, tmp_path, "llama3")
    assert list(workspace.models.iterdir()) == []
    with pytest.raises(BadInput, match="set it to chatml"):
        check_base(str(tiny_model_folder), tmp_path, "llama3")


def test_the_plan_carries_the_recipes_template(tmp_path: Path) -> None:
    value = {"name": "x", "model": {"base": "b", "template": "chatml"}, "data": {"sources": [{"path": "r"}]}}
    assert make_plan(Recipe.model_validate(value), tmp_path, "cpu").template == "chatml"


def test_a_recipe_that_names_a_missing_template_file_says_in_which_line(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("{}\n")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "name: x\nmodel:\n  base: smollm2-135m-instruct\n  template: gone.jinja\n"
        "data:\n  sources: [{path: rows.jsonl}]\n"
    )
    with pytest.raises(RecipeError, match=r"line 4.*gone\.jinja"):
        load_recipe(recipe)
