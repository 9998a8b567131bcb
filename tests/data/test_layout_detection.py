"""The first row decides what a file is; where it cannot, the error says what to write into the recipe."""

import pytest
import yaml

from core.data.layouts import LAYOUTS, detect_layout, to_example
from core.data.layouts.near_miss import near_miss
from core.data.rows import Place, Problem, RawRow
from core.recipe.data import DataSource
from tunery.errors import DataError

TURNS = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]
SHARED = [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]


def row(value):
    return RawRow(Place("tickets.jsonl", 3), value)


def refusal(value, columns=None):
    with pytest.raises(DataError) as caught:
        detect_layout(row(value), columns or {})
    text = str(caught.value)
    assert text.startswith("tickets.jsonl line 3: ")
    return text


@pytest.mark.parametrize(
    ("value", "found"),
    [({"subject": "Q", "body": "A"}, "the keys subject, body"), ({}, "the keys nothing")],
)
def test_an_unknown_layout_is_refused_with_what_was_found_and_what_is_accepted(value, found):
    text = refusal(value)
    assert found in text
    accepted = text.partition("accepted is ")[2]
    assert all(f"{name} (" in accepted for name in LAYOUTS)


@pytest.mark.parametrize(
    ("value", "mapping"),
    [
        ({"question": "Q", "answer": "A"}, "columns: {prompt: question, completion: answer}"),
        ({"input": "Q", "output": "A"}, "columns: {prompt: input, completion: output}"),
        ({"instruction": "Q", "response": "A"}, "columns: {prompt: instruction, completion: response}"),
        ({"prompt": "Q", "response": "A"}, "columns: {completion: response}"),
        ({"Prompt": "Q", "Completion": "A"}, "columns: {prompt: Prompt, completion: Completion}"),
        ({" prompt": "Q", "completion": "A"}, 'columns: {prompt: " prompt"}'),
        ({"content": "Once"}, "columns: {text: content}"),
        ({"document": "fine", "category": "a"}, "columns: {text: document, label: category}"),
        ({"dialogue": TURNS}, "columns: {messages: dialogue}"),
        ({"dialogue": SHARED}, "columns: {messages: dialogue}"),
        (
            {"question": "Q", "preferred": "A", "dispreferred": "B"},
            "chosen: preferred, rejected: dispreferred",
        ),
        (
            {"instruction": "Q", "context": "C", "response": "A", "category": "qa"},
            "columns: {completion: response, input: context}",
        ),
    ],
)
def test_a_near_miss_is_told_the_mapping_that_makes_it_readable(value, mapping):
    assert mapping in refusal(value)
    suggestion = near_miss(row(value))
    layout = detect_layout(row(value), suggestion.columns)
    assert layout is suggestion.layout
    assert not isinstance(to_example(row(value), layout, suggestion.columns), Problem)


def test_a_suggested_mapping_is_one_that_a_recipe_accepts():
    text = refusal({"instruction": "Q", "context": "C", "response": "A"})
    written = text.partition("write `")[2].partition("`")[0]
    source = DataSource(path="x.jsonl", **yaml.safe_load(written))
    assert source.columns == {"completion": "response", "input": "context"}


def test_a_mapping_to_a_column_that_is_not_there_is_told():
    text = refusal({"question": "Q", "answer": "A"}, {"prompt": "qestion", "completion": "answer"})
    assert "the keys question, answer and no 'qestion'" in text
    assert "for prompt" in text


def test_a_row_that_can_be_read_in_two_ways_asks_for_the_format():
    value = {"messages": TURNS, "prompt": "P", "completion": "C"}
    assert "read as messages and prompt_completion; say which with `format`" in refusal(value)
    assert "read as alpaca and text" in refusal({"instruction": "Q", "output": "A", "text": "a story"})


@pytest.mark.parametrize(
    ("value", "layout"),
    [
        # As tatsu-lab/alpaca: all of the row again, as one text.
        ({"instruction": "Q1", "output": "A1", "text": "Below is Q1\n### Response: A1"}, "alpaca"),
        # As HuggingFaceH4/ultrachat_200k: the first question again.
        ({"prompt": "Q", "messages": TURNS}, "messages"),
        # As HuggingFaceH4/ultrafeedback_binarized: the chosen conversation again.
        (
            {
                "prompt": "Q",
                "chosen": TURNS,
                "rejected": [TURNS[0], {"role": "assistant", "content": "B"}],
                "messages": TURNS,
            },
            "preference",
        ),
    ],
)
def test_a_key_that_says_again_what_another_says_does_not_make_a_row_ambiguous(value, layout):
    assert detect_layout(row(value), {}).name == layout


def test_the_layout_that_would_lose_a_key_gives_way_to_one_that_reads_it():
    columns = {"prompt": "question", "completion": "reply"}
    value = {"question": "Q", "reply": "A", "input": "a long text"}
    assert detect_layout(row(value), columns).name == "alpaca"


def test_a_prompt_beside_its_answer_is_no_prompt_alone_until_the_recipe_says_so():
    text = refusal({"prompt": "Q", "response": "A"})
    assert "`format: prompts` to read the prompts alone" in text


@pytest.mark.parametrize(
    ("value", "layout", "fix"),
    [
        ({"messages": SHARED}, "messages", "`format: sharegpt` and `columns: {messages: messages}`"),
        ({"conversations": TURNS}, "sharegpt", "`columns: {messages: conversations}`"),
    ],
)
def test_turns_in_the_other_dialect_are_told_the_setting_that_reads_them(value, layout, fix):
    problem = to_example(row(value), LAYOUTS[layout], {})
    assert isinstance(problem, Problem)
    assert fix in problem.fix
    key = next(iter(value))
    chosen = detect_layout(row(value), {"messages": key})
    assert not isinstance(to_example(row(value), chosen, {"messages": key}), Problem)
