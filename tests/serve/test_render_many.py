"""Many conversations at once, with remembered words and quick borders: the very result of one by one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve.borders import Borders
from serve.chat import ChatFormat, Message, Rendered
from tunery.errors import BadInput

# What stands at the places where a text could be cut wrongly.
SNIPPETS = st.sampled_from(
    [
        *("word", "don't", "it's", "Ünïcode", "日本語", "🙂", "e\u0301", "\u0301", "x86", "1234", "３", "½"),
        *(
            " ",
            "  ",
            "   ",
            "\n",
            "\n\n",
            "\r\n",
            "\t",
            "\u00a0",
            "\u2003",
            "\x1c",
            "\u200b",
            "\ufeff",
            "\x00",
        ),
        *(".", ",", ":", ";", "!", "?", ")", "(", "'", "'s", "...", "--", "_", "\\n", "http://a.b/c?d=e"),
        *("<|im_end|>", "<|im_start|>", "<|endoftext|>", "<|im_", "end|>", "<tool>", "\U000f0000\U00100000"),
    ]
)
TEXTS = st.lists(SNIPPETS | st.text(max_size=4).filter(str.isprintable), max_size=14).map("".join)
LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
QWEN = LLAMA_3.replace("{1,3}", "")


@dataclass(frozen=True)
class Talk:
    messages: tuple[Message, ...]
    tools: tuple[dict, ...] = ()


def talk(*texts: str) -> Talk:
    roles = ("user", "assistant") * len(texts)
    return Talk(tuple(Message(role, text) for role, text in zip(roles, texts, strict=False)))


def llama_3_like(document: dict, pattern: str) -> None:
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    bytes_only = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    document["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [split, bytes_only]}
    document["normalizer"] = {"type": "NFC"}


def with_a_space_before(document: dict) -> None:
    document["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = True


def with_tokens_that_eat_spaces(document: dict) -> None:
    for token in document["added_tokens"]:
        token["lstrip"] = token["rstrip"] = True


def with_tokens_of_whole_words(document: dict) -> None:
    for token in document["added_tokens"]:
        token["single_word"] = True


def with_runs_of_spaces_as_tokens(document: dict) -> None:
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": True, "special": False}
    size = len(document["model"]["vocab"])
    document["added_tokens"] += [
        {"id": size + number, "content": " " * (number + 2), **plain} for number in range(3)
    ]


def with_a_token_over_a_line_break(document: dict) -> None:
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    document["added_tokens"].append({"id": len(document["model"]["vocab"]), "content": "d\n", **plain})


TOKENIZERS = {
    "SmolLM2": lambda document: None,
    "Llama 3": lambda document: llama_3_like(document, LLAMA_3),
    "Qwen": lambda document: llama_3_like(document, QWEN),
    "a space before": with_a_space_before,
    "tokens that eat spaces": with_tokens_that_eat_spaces,
    "tokens of whole words": with_tokens_of_whole_words,
    "a token over a line break": with_a_token_over_a_line_break,
    "runs of spaces": with_runs_of_spaces_as_tokens,
}
FAST = {"SmolLM2", "Llama 3", "Qwen", "runs of spaces"}


@pytest.fixture(scope="module", params=TOKENIZERS)
def format(request: pytest.FixtureRequest, starter_chat_folder: Path) -> ChatFormat:
    document = json.loads((starter_chat_folder / "tokenizer.json").read_text())
    TOKENIZERS[request.param](document)
    template = (starter_chat_folder / "chat_template.jinja").read_text()
    special = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>"}
    made = ChatFormat(document, template, special, [2])
    assert made._words._by_word == (request.param in FAST)
    return made


@settings(max_examples=150, deadline=None)
@given(texts=st.lists(TEXTS, max_size=5))
def test_texts_have_the_ids_that_they_have_one_by_one(format: ChatFormat, texts: list[str]) -> None:
    assert format.encode_texts(texts) == [format.encode_text(text) for text in texts]
    # Again, with everything remembered.
    assert format.encode_texts(texts) == [format.encode_text(text) for text in texts]


@settings(max_examples=80, deadline=None)
@given(talks=st.lists(st.lists(TEXTS, min_size=2, max_size=6).map(lambda texts: talk(*texts)), max_size=4))
def test_conversations_are_what_they_are_one_by_one(format: ChatFormat, talks: list[Talk]) -> None:
    for many, one in zip(format.render_many(talks), [alone(format, item) for item in talks], strict=True):
        assert str(many) == str(one)


@settings(max_examples=80, deadline=None)
@given(texts=st.lists(TEXTS, min_size=2, max_size=6))
def test_a_border_found_quickly_is_the_one_that_the_whole_text_before_it_has(
    format: ChatFormat, texts: list[str]
) -> None:
    quick = alone(format, talk(*texts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Borders, "_find_by_controls", lambda *_: None)
        slow = alone(format, talk(*texts))
    assert str(quick) == str(slow)


def alone(format: ChatFormat, item: Talk) -> Rendered | BadInput:
    try:
        return format.render(item.messages, add_generation_prompt=False)
    except BadInput as refusal:
        return refusal


def test_a_refused_conversation_stands_in_its_place_among_the_others(chat: ChatFormat) -> None:
    good, melting, broken = talk("q", "a"), talk("q", "\n\nlate"), talk("q", "\ud800")
    results = chat.render_many([melting, good, broken])
    assert [type(result) for result in results] == [BadInput, Rendered, BadInput]
    assert "melts into" in str(results[0])
    assert "half a character" in str(results[2])


def test_words_are_forgotten_when_there_are_too_many_and_nothing_changes(
    chat: ChatFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve.words._REMEMBERED", 40)
    texts = [" ".join(f"word{n}-{m}" for m in range(30)) for n in range(20)]
    for text in texts:
        assert chat.encode_texts([text]) == [chat.encode_text(text)]
        assert len(chat._words._known) <= 40 + 30


def test_the_pieces_of_a_text_are_the_text(chat: ChatFormat) -> None:
    ids = chat.render([Message("user", "日本 🙂 né <|im_end|>")], add_generation_prompt=True).ids
    pieces = list(chat.pieces(ids))
    assert sum(count for count, _ in pieces) == len(ids)
    assert "".join(text for _, text in pieces) == chat.decode(ids, skip_special=False)
    assert [count > 1 for count, text in pieces if "日" in text] == [True]
    # A letter that was cut off in the middle is shown as what the tokenizer makes of it.
    half = chat.encode_text("日")[:-1]
    assert "".join(text for _, text in chat.pieces(half)) == chat.decode(half)
