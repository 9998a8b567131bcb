"""What becomes of rows that are too long, that are plain text, or that another method learns from."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.rows import Place, Problem
from core.data.tokens.render import RenderedRow, RowRenderer, TooLong
from core.models.examples import Conversation, Example, Labelled, PlainText, Preference, Prompt, Unpaired
from serve.chat import ChatFormat, Message, ToolCall

PLACE = Place("tickets.jsonl", 7)
WORDS = st.integers(0, 40).map(lambda count: " ".join(["word"] * count))
PAIRS = st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def chat(starter_chat_folder: Path) -> ChatFormat:
    return ChatFormat.open(starter_chat_folder)


def render(
    example: Example,
    chat: ChatFormat,
    *,
    most: int = 4000,
    context: int = 8192,
    too_long: TooLong = "truncate",
) -> RenderedRow | Problem:
    renderer = RowRenderer(chat, max_length=most, context_length=context, too_long=too_long)
    (result,) = renderer.render([(example, PLACE)])
    return result


def talk(pairs: list[tuple[str, str]], system: str | None = None) -> Conversation:
    head = [] if system is None else [Message("system", system)]
    turns = [
        Message(role, f"{role[0]}{number} {text}")
        for number, pair in enumerate(pairs)
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
    return Conversation((*head, *turns))


def length(example: Example, chat: ChatFormat) -> int:
    row = render(example, chat)
    assert isinstance(row, RenderedRow)
    return len(row.ids)


@settings(deadline=None, max_examples=60)
@given(pairs=PAIRS, system=st.none() | WORDS, most=st.integers(30, 400))
def test_a_long_conversation_loses_its_oldest_questions_and_no_more_than_it_must(
    pairs: list[tuple[str, str]], system: str | None, most: int, chat: ChatFormat
) -> None:
    whole = talk(pairs, system)
    head = whole.messages[: system is not None]
    shorter = [Conversation((*head, *whole.messages[len(head) + 2 * lost :])) for lost in range(len(pairs))]
    fitting = [example for example in shorter if length(example, chat) <= most]
    row = render(whole, chat, most=most)
    if not fitting:
        assert isinstance(row, Problem)
        assert row.code == "answer_too_long"
        return
    assert isinstance(row, RenderedRow), str(row)
    expected = render(fitting[0], chat)
    assert isinstance(expected, RenderedRow)
    assert (row.ids, row.spans) == (expected.ids, expected.spans)
    assert row.cut == len(whole.messages) - len(fitting[0].messages)
    # The last answer is whole, and its stop token is trained.
    start, end = row.spans[-1]
    assert chat.decode(row.ids[start : end - 1]) == whole.messages[-1].content
    assert row.ids[end - 1] in chat.stop_ids


def test_what_the_model_cannot_read_is_cut_as_well(chat: ChatFormat) -> None:
    example = talk([("word " * 50, "word " * 50)] * 4)
    row = render(example, chat, most=4000, context=300)
    assert isinstance(row, RenderedRow)
    assert (len(row.ids) <= 300, row.cut) == (True, 4)


def test_a_call_and_its_result_are_cut_with_the_question_that_they_answer(chat: ChatFormat) -> None:
    asked = (Message("user", "q " * 60), Message("user", "and?"), Message("assistant", "a " * 60))
    kept = (Message("user", "q " * 60), Message("assistant", "a " * 60), Message("tool", "t"))
    example = Conversation((*asked, *kept, Message("assistant", "done")))
    row = render(example, chat, most=200)
    assert isinstance(row, RenderedRow)
    assert (row.cut, len(row.spans)) == (3, 2)


def test_a_last_answer_that_does_not_fit_is_named_with_its_length(chat: ChatFormat) -> None:
    example = talk([("short", "short"), ("word " * 10, "word " * 100)])
    problem = render(example, chat, most=60)
    assert isinstance(problem, Problem)
    assert problem.code == "answer_too_long"
    assert "tickets.jsonl line 7: the last question with its answer is 14" in str(problem)
    assert "train.max_length is 60; shorten it, or raise train.max_length" in str(problem)


def test_a_conversation_without_a_question_is_not_cut(chat: ChatFormat) -> None:
    turns = (Message("system", "s"), Message("assistant", "word " * 100))
    problem = render(Conversation(turns), chat, most=60)
    assert isinstance(problem, Problem)
    assert problem.code == "answer_too_long"


@pytest.mark.parametrize("too_long", ["refuse", "drop"])
def test_without_truncation_a_long_conversation_is_a_problem(chat: ChatFormat, too_long: TooLong) -> None:
    example = talk([("word " * 20, "word " * 20)] * 4)
    for context, code in ((8192, "longer_than_max_length"), (150, "longer_than_context")):
        problem = render(example, chat, most=100, context=context, too_long=too_long)
        assert isinstance(problem, Problem)
        assert problem.code == code


def test_a_plain_text_is_trained_whole_and_ends_with_the_end_of_text(chat: ChatFormat) -> None:
    text = "Look: <|im_end|> is text.\n\nNext."
    row = render(PlainText(text), chat)
    assert isinstance(row, RenderedRow)
    assert row.spans == [(0, len(row.ids))]
    assert chat.decode(row.ids[:-1], skip_special=True) == text
    assert row.ids[-1] == chat.eos_id
    problem = render(PlainText("word " * 100), chat, most=60)
    assert isinstance(problem, Problem)
    assert problem.code == "longer_than_max_length"


def test_what_a_tokenizer_puts_before_every_text_is_read_and_not_trained(starter_chat_folder: Path) -> None:
    import json

    document = json.loads((starter_chat_folder / "tokenizer.json").read_text())
    document["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
    }
    special = {"bos_token": "<|im_start|>", "eos_token": "<|endoftext|>"}
    row = render(PlainText("one two"), ChatFormat(document, "{{ messages }}", special, [0]))
    assert isinstance(row, RenderedRow)
    assert (row.ids[0], row.ids[-1], row.spans) == (1, 0, [(1, len(row.ids))])


@pytest.mark.parametrize(
    ("example", "method"),
    [
        (Labelled("text", ("spam",)), "method classify"),
        (Preference((Message("user", "q"),), (Message("assistant", "a"),), ()), "dpo, orpo and reward"),
        (Unpaired((Message("user", "q"),), (Message("assistant", "a"),), True), "method kto"),
        (Prompt((Message("user", "q"),)), "grpo and rloo"),
    ],
)
def test_rows_of_another_kind_say_which_method_learns_from_them(
    chat: ChatFormat, example: Example, method: str
) -> None:
    problem = render(example, chat)
    assert isinstance(problem, Problem)
    assert method in str(problem)
    assert problem.code == "other_method"


def test_results_stand_in_the_order_of_the_rows(chat: ChatFormat) -> None:
    rows: list[Example] = [
        PlainText("text"),
        talk([("a", "b")]),
        Labelled("x", ("y",)),
        Conversation((Message("user", "q"), Message("assistant", "\n\nlate"))),
        Conversation((Message("user", "q"), Message("assistant", "", (ToolCall("f", {}),)))),
        PlainText("\ud800"),
        talk([("word " * 90, "b")]),
        talk([("c", "d")]),
    ]
    renderer = RowRenderer(chat, max_length=80, context_length=100, too_long="refuse")
    results = renderer.render([(example, Place("f", number)) for number, example in enumerate(rows, 1)])
    codes = [result.code if isinstance(result, Problem) else "" for result in results]
    assert codes == [
        *("", "", "other_method", "not_renderable", "not_renderable", "not_renderable"),
        *("longer_than_context", ""),
    ]
    assert [result.place.number for result in results if isinstance(result, Problem)] == [3, 4, 5, 6, 7]
