"""Rows become conversations, by the layout that was seen or set; what is not understood is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.layouts import LAYOUTS, detect_layout, ignored_keys, to_messages
from core.data.rows import Place, Problem, RawRow
from serve.chat import Message
from tunery.errors import DataError

QUESTION, ANSWER = Message("user", "Q"), Message("assistant", "A")
TURNS = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]
texts = st.text(max_size=12)


def row(value, number=1):
    return RawRow(Place("tickets.jsonl", number), value)


def converted(value, layout=None):
    chosen = LAYOUTS[layout] if layout else detect_layout(row(value))
    return to_messages(row(value), chosen)


def understood(value):
    """Whether the row becomes messages or a problem, or is refused with its place."""
    try:
        result = converted(value)
    except DataError as error:
        return str(error).startswith("tickets.jsonl line 1: ")
    return isinstance(result, Problem) or all(isinstance(item, Message) for item in result)


@pytest.mark.parametrize(
    ("value", "layout", "expected"),
    [
        ({"messages": TURNS}, "messages", (QUESTION, ANSWER)),
        ({"messages": json.dumps(TURNS)}, "messages", (QUESTION, ANSWER)),
        ({"messages": TURNS, "id": 7}, "messages", (QUESTION, ANSWER)),
        ({"prompt": "Q", "completion": "A"}, "prompt_completion", (QUESTION, ANSWER)),
        ({"prompt": TURNS[:1], "completion": TURNS[1:]}, "prompt_completion", (QUESTION, ANSWER)),
        (
            {"prompt": "Q", "completion": "A", "system": "S"},
            "prompt_completion",
            (Message("system", "S"), QUESTION, ANSWER),
        ),
        ({"instruction": "Q", "output": "A"}, "alpaca", (QUESTION, ANSWER)),
        ({"instruction": "Q", "input": "", "output": "A"}, "alpaca", (QUESTION, ANSWER)),
        ({"instruction": "Q", "input": None, "output": "A"}, "alpaca", (QUESTION, ANSWER)),
        ({"instruction": "Q", "input": "I", "output": "A"}, "alpaca", (Message("user", "Q\n\nI"), ANSWER)),
        (
            {"instruction": "Q", "output": "A", "system": "S", "history": [["Q0", "A0"]]},
            "alpaca",
            (Message("system", "S"), Message("user", "Q0"), Message("assistant", "A0"), QUESTION, ANSWER),
        ),
    ],
)
def test_a_row_is_recognised_and_converted(value, layout, expected):
    assert detect_layout(row(value)).name == layout
    assert converted(value) == expected


@given(prompt=texts, completion=texts)
def test_text_of_prompt_and_completion_is_kept_letter_by_letter(prompt, completion):
    for value in (
        {"prompt": prompt, "completion": completion},
        {"instruction": prompt, "output": completion},
        {"messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": completion}]},
    ):
        assert [message.content for message in converted(value)] == [prompt, completion]


@given(
    st.dictionaries(
        st.sampled_from(["messages", "prompt", "completion", "instruction", "output", "text", "x"]),
        st.none() | st.integers() | texts | st.lists(st.none() | texts | st.dictionaries(texts, texts)),
    )
)
def test_no_row_whatever_leads_to_anything_but_messages_a_problem_or_a_data_error(value):
    assert understood(value)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"conversations": [{"from": "human", "value": "Q"}]}, "ShareGPT conversations"),
        ({"prompt": "Q", "chosen": "A", "rejected": "B"}, "preference pairs"),
        ({"text": "Once"}, "plain text"),
        ({"question": "Q", "answer": "A"}, "rename them to `prompt` and `completion`"),
        ({"subject": "Q", "body": "A"}, "the keys subject, body"),
        ({}, "the keys nothing"),
    ],
)
def test_an_unknown_layout_is_refused_with_what_was_found_and_what_is_accepted(value, found):
    with pytest.raises(DataError) as caught:
        detect_layout(row(value, 3))
    text = str(caught.value)
    assert text.startswith("tickets.jsonl line 3: ")
    assert found in text
    assert text.count("accepted is messages") == 1


def test_a_row_that_can_be_read_in_two_ways_asks_for_the_format():
    value = {"messages": TURNS, "prompt": "P", "completion": "C"}
    with pytest.raises(DataError, match=r"read as messages and prompt_completion; say which with `format`"):
        detect_layout(row(value))
    assert converted(value, "prompt_completion") == (Message("user", "P"), Message("assistant", "C"))


@pytest.mark.parametrize(
    ("value", "layout", "what"),
    [
        ({"prompt": "Q", "completion": "A"}, "messages", "lacks `messages`"),
        ({"messages": "hello"}, "messages", "a text that is not JSON"),
        ({"messages": []}, "messages", "an empty list"),
        ({"messages": {"role": "user"}}, "messages", "is not a list of turns"),
        ({"messages": ["hello"]}, "messages", "turn 1 is not an object"),
        ({"messages": [{"role": "user"}]}, "messages", "turn 1 has no `content`"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages",
            "`content` of turn 1 is not a text",
        ),
        (
            {"messages": [{"role": "assistant", "content": None, "tool_calls": [{}]}]},
            "messages",
            "calls tools",
        ),
        ({"messages": TURNS, "tools": [{"name": "f"}]}, "messages", "`tools`, which would be lost"),
        ({"prompt": "Q", "completion": None}, "prompt_completion", "`completion` is not a list of turns"),
        ({"instruction": "Q", "output": 3}, "alpaca", "`output` is not a text"),
        (
            {"instruction": "Q", "output": "A", "history": ["x"]},
            "alpaca",
            "`history` is not a list of question and answer",
        ),
    ],
)
def test_a_row_that_does_not_fit_its_layout_says_why(value, layout, what):
    problem = converted(value, layout)
    assert isinstance(problem, Problem)
    assert what in str(problem)
    assert problem.fix


def test_keys_that_nobody_reads_are_named():
    value = {"messages": TURNS, "id": 7, "note": "", "source": None, "topic": "x"}
    assert ignored_keys(row(value), LAYOUTS["messages"]) == {"id", "topic"}
