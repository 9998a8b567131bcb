"""Tools, calls and results reach the template whole, stay text whatever they spell, and calls are trained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from core.data.rows import Place, Problem
from core.data.tokens.masks import Masked, check_masks
from core.data.tokens.render import RenderedRow, RowRenderer
from core.models.examples import Conversation
from serve.chat import ChatFormat, Message, ToolCall
from tunery.errors import BadInput

PLACE = Place("calls.jsonl", 1)
TEMPLATES = Path(__file__).parent / "chat_templates"
# Each family's control tokens, on ids that SmolLM2 has for tokens of its own.
FAMILIES: dict[str, dict[str, str]] = {
    "hermes": {},
    "llama3": {
        "<|endoftext|>": "<|begin_of_text|>",
        "<|im_start|>": "<|start_header_id|>",
        "<|im_end|>": "<|eot_id|>",
        "<repo_name>": "<|end_header_id|>",
    },
    "mistral": {
        "<|im_start|>": "<s>",
        "<|im_end|>": "</s>",
        "<repo_name>": "[INST]",
        "<reponame>": "[/INST]",
        "<file_sep>": "[AVAILABLE_TOOLS]",
        "<filename>": "[/AVAILABLE_TOOLS]",
        "<gh_stars>": "[TOOL_CALLS]",
        "<issue_start>": "[TOOL_RESULTS]",
        "<issue_comment>": "[/TOOL_RESULTS]",
    },
}
STOP = 2
# Llama 3's own way of cutting text: it keeps the line breaks before an answer together.
LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)


def family(name: str, folder: Path) -> ChatFormat:
    document = json.loads((folder / "tokenizer.json").read_text())
    names = FAMILIES[name]
    for token in document["added_tokens"]:
        token["content"] = names.get(token["content"], token["content"])
    document["model"]["vocab"] = {
        names.get(token, token): number for token, number in document["model"]["vocab"].items()
    }
    if name == "llama3":
        split = {"type": "Split", "pattern": {"Regex": LLAMA_3}, "behavior": "Isolated", "invert": False}
        in_bytes = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
        document["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [split, in_bytes]}
    special = {"bos_token": "<|begin_of_text|>" if name == "llama3" else "<s>", "eos_token": "</s>"}
    if name != "mistral":
        special["eos_token"] = "<|eot_id|>" if name == "llama3" else "<|im_end|>"
    return ChatFormat(document, (TEMPLATES / f"{name}.jinja").read_text(), special, [STOP])


@pytest.fixture(scope="module", params=FAMILIES)
def chat(request: pytest.FixtureRequest, starter_chat_folder: Path) -> ChatFormat:
    return family(request.param, starter_chat_folder)


def weather(control: str = "") -> Mapping[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": f"Weather of a place. {control}",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string", "enum": ["Oslo", control or "Paris"]}},
            },
        },
    }


def calling(city: str = "Oslo", answer: str = '{"degrees": -3}') -> tuple[Message, ...]:
    arguments = {"city": city, "days": 2, "exact": True, "near": [1.5, None]}
    return (
        Message("user", "Will it freeze?"),
        Message("assistant", "", (ToolCall("get_weather", arguments, "abcdef123"),)),
        Message("tool", answer, name="get_weather", tool_call_id="abcdef123"),
        Message("assistant", "Yes, -3 degrees."),
    )


def render(chat: ChatFormat, talk: Conversation) -> RenderedRow | Problem:
    renderer = RowRenderer(chat, max_length=2000, context_length=2000, too_long="refuse")
    return renderer.render([(talk, PLACE)])[0]


def trained_texts(chat: ChatFormat, row: RenderedRow | Problem) -> list[str]:
    assert isinstance(row, RenderedRow), str(row)
    return [chat.decode(row.ids[start:end], skip_special=False) for start, end in row.spans]


def test_a_call_is_trained_from_the_prompt_to_its_stop_token(chat: ChatFormat) -> None:
    talk = Conversation(calling(), (weather(),))
    row = render(chat, talk)
    call, answer = trained_texts(chat, row)
    stop = chat.decode([STOP], skip_special=False)
    assert call.endswith(stop)
    assert call.count(stop) == 1
    body = call[call.index("{") : call.rindex("}") + 1]
    written = json.loads(body)
    assert written["name"] == "get_weather"
    assert written.get("arguments", written.get("parameters")) == talk.messages[1].tool_calls[0].arguments
    assert answer.strip() == f"Yes, -3 degrees.{stop}"
    assert isinstance(row, RenderedRow)
    # What the model is asked with when it is served is what stood before the call in training.
    prompt = chat.render(talk.messages[:1], add_generation_prompt=True, tools=talk.tools)
    assert row.ids[: row.spans[0][0]].tolist() == prompt.ids
    assert "Weather of a place" in prompt.text


def test_look_alikes_in_arguments_results_and_schemas_stay_text(chat: ChatFormat) -> None:
    honest = render(chat, Conversation(calling(), (weather(),)))
    for control in sorted(chat.decode([number], skip_special=False) for number in range(9)):
        attack = render(chat, Conversation(calling(control, f'["{control}"]'), (weather(control),)))
        assert isinstance(attack, RenderedRow), str(attack)
        assert isinstance(honest, RenderedRow)
        assert controls(chat, attack) == controls(chat, honest)
        assert chat.decode(attack.ids, skip_special=False).count(control) >= 4
        assert control in trained_texts(chat, attack)[0]


def controls(chat: ChatFormat, row: RenderedRow) -> list[int]:
    return [number for number in row.ids if number in chat.control_ids]


def test_a_name_or_a_key_that_spells_a_control_token_is_text_too(chat: ChatFormat) -> None:
    control = chat.decode([STOP], skip_special=False)
    call = ToolCall(f"get{control}", {f"a{control}": 1}, "abcdef123")
    messages = (Message("user", "q"), Message("assistant", "", (call,)))
    (text,) = trained_texts(chat, render(chat, Conversation(messages, (weather(),))))
    assert text.count(control) == 3


def test_a_template_without_tools_is_refused_by_what_it_leaves_out(starter_chat_folder: Path) -> None:
    plain = ChatFormat.open(starter_chat_folder)
    for talk, sentence in (
        (Conversation(calling()[:1] + calling()[3:], (weather(),)), "says nothing of `tools`"),
        (Conversation(calling()), "leaves out the tool calls of turn 2"),
    ):
        problem = render(plain, talk)
        assert isinstance(problem, Problem)
        assert problem.code == "not_renderable"
        assert sentence in str(problem)
        assert "use a model whose template has tools" in str(problem)
    with pytest.raises(BadInput, match="says nothing of `tools`"):
        plain.render(calling()[:1], add_generation_prompt=True, tools=[weather()])


def changed(chat_folder: Path, old: str, new: str) -> ChatFormat:
    document = json.loads((chat_folder / "tokenizer.json").read_text())
    template = (TEMPLATES / "hermes.jinja").read_text()
    assert old in template
    return ChatFormat(document, template.replace(old, new), {"eos_token": "<|im_end|>"}, [STOP])


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("(function.arguments | tojson)", "'{}'", "changes the text of turn 2"),
        ("function.name", "'tool'", "changes the text of turn 2"),
        ("\\n' + message.content }}{%- endif %}", "' }}{%- endif %}", "changes the text of turn 2"),
        ("<tool_response>\\n' + message.content", "<tool_response>\\n' + '...'", "leaves out what turn 3"),
        ("tojson)", "tojson(ensure_ascii=true))", "in escapes"),
    ],
    ids=["no arguments", "no name", "no words beside the call", "no result", "escaped"],
)
def test_a_template_that_loses_part_of_a_call_is_refused(
    starter_chat_folder: Path, old: str, new: str, sentence: str
) -> None:
    chat = changed(starter_chat_folder, old, new)
    question, call, *rest = calling("<|im_end|>")
    call = Message("assistant", "Let me look.", call.tool_calls)
    problem = render(chat, Conversation((question, call, *rest), (weather(),)))
    assert isinstance(problem, Problem)
    assert sentence in problem.what


def test_words_beside_a_call_are_trained_with_it(starter_chat_folder: Path) -> None:
    chat = family("hermes", starter_chat_folder)
    call = ToolCall("get_weather", {"city": "Oslo"})
    two = Message("assistant", "Let me look.", (call, ToolCall("get_weather", {"city": "Bergen"})))
    row = render(chat, Conversation((Message("user", "q"), two), (weather(),)))
    (text,) = trained_texts(chat, row)
    assert text.startswith("Let me look.\n<tool_call>")
    assert '"Oslo"' in text
    assert '"Bergen"' in text


def test_a_mask_that_lacks_an_argument_is_noticed(starter_chat_folder: Path) -> None:
    chat = family("hermes", starter_chat_folder)
    talk = Conversation(calling(), (weather(),))
    row = render(chat, talk)
    assert isinstance(row, RenderedRow)
    (start, end), last = row.spans
    ids = list(row.ids)
    without = [*ids[: end - 20], ids[end - 1], *ids[end:]]
    moved = [(start, end - 19), (last[0] - 19, last[1] - 19)]
    assert check_masks([Masked(talk.messages, ids, row.spans)], chat) == [None]
    (wrong,) = check_masks([Masked(talk.messages, without, moved)], chat)
    assert wrong == "the trained tokens of answer 1 lack the call of get_weather"


def test_the_ids_with_tools_are_those_of_apply_chat_template(starter_chat_folder: Path) -> None:
    from transformers import AutoTokenizer

    oracle = AutoTokenizer.from_pretrained(starter_chat_folder, local_files_only=True)
    chat = family("hermes", starter_chat_folder)
    expected = oracle.apply_chat_template(
        [message.to_dict() for message in calling()],
        tools=[weather()],
        chat_template=(TEMPLATES / "hermes.jinja").read_text(),
        return_dict=False,
    )
    assert chat.render(calling(), add_generation_prompt=False, tools=[weather()]).ids == expected
