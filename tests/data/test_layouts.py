"""Rows become examples, by the layout that was seen or set; what is not understood is a problem."""

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.check import check_example
from core.data.layouts import LAYOUTS, detect_layout, group_of, ignored_keys, to_example
from core.data.rows import Place, Problem, RawRow
from core.models.examples import (
    KINDS,
    Conversation,
    Labelled,
    PlainText,
    Preference,
    Prompt,
    Unpaired,
    example_from_json,
    example_id,
)
from core.recipe.data import RowFormat
from serve.chat import Message
from tunery.errors import DataError

SYSTEM, QUESTION, ANSWER, WORSE = (
    Message("system", "S"),
    Message("user", "Q"),
    Message("assistant", "A"),
    Message("assistant", "B"),
)
TURNS = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]
texts = st.text(max_size=12)


def row(value, number=1, unit="line"):
    return RawRow(Place("tickets.jsonl", number, unit), value)


def converted(value, layout=None, columns=None, unit="line"):
    raw = row(value, unit=unit)
    chosen = LAYOUTS[layout] if layout else detect_layout(raw, columns or {})
    return to_example(raw, chosen, columns or {})


def test_every_format_that_a_recipe_can_set_has_a_layout():
    assert set(LAYOUTS) == set(get_args(RowFormat)) - {"auto"}
    assert {layout.kind for layout in LAYOUTS.values()} == set(KINDS)


@pytest.mark.parametrize(
    ("value", "layout", "expected"),
    [
        ({"messages": TURNS}, "messages", (QUESTION, ANSWER)),
        ({"messages": json.dumps(TURNS)}, "messages", (QUESTION, ANSWER)),
        ({"messages": TURNS, "id": 7}, "messages", (QUESTION, ANSWER)),
        ({"messages": TURNS, "system": "S"}, "messages", (SYSTEM, QUESTION, ANSWER)),
        (
            {"messages": [{"role": "system", "content": "S"}, *TURNS], "system": "S"},
            "messages",
            (SYSTEM, QUESTION, ANSWER),
        ),
        (
            {
                "system": "S",
                "conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}],
            },
            "sharegpt",
            (SYSTEM, QUESTION, ANSWER),
        ),
        ({"prompt": "Q", "completion": "A"}, "prompt_completion", (QUESTION, ANSWER)),
        ({"prompt": TURNS[:1], "completion": TURNS[1:]}, "prompt_completion", (QUESTION, ANSWER)),
        ({"prompt": TURNS[:1], "completion": "A"}, "prompt_completion", (QUESTION, ANSWER)),
        ({"prompt": json.dumps(TURNS[:1]), "completion": "A"}, "prompt_completion", (QUESTION, ANSWER)),
        (
            {"prompt": "Q", "completion": "A", "system": "S"},
            "prompt_completion",
            (SYSTEM, QUESTION, ANSWER),
        ),
        ({"prompt": "Q", "completion": "A", "label": "travel"}, "prompt_completion", (QUESTION, ANSWER)),
        ({"instruction": "Q", "output": "A"}, "alpaca", (QUESTION, ANSWER)),
        ({"instruction": "Q", "input": "", "output": "A"}, "alpaca", (QUESTION, ANSWER)),
        ({"instruction": "Q", "input": None, "output": "A"}, "alpaca", (QUESTION, ANSWER)),
        ({"instruction": "Q", "input": "I", "output": "A"}, "alpaca", (Message("user", "Q\n\nI"), ANSWER)),
        (
            {"instruction": "Q", "output": "A", "system": "S", "history": [["Q0", "A0"]]},
            "alpaca",
            (SYSTEM, Message("user", "Q0"), Message("assistant", "A0"), QUESTION, ANSWER),
        ),
    ],
)
def test_a_row_is_recognised_and_becomes_a_conversation(value, layout, expected):
    assert detect_layout(row(value), {}).name == layout
    assert converted(value) == Conversation(expected)


@pytest.mark.parametrize(
    ("value", "layout", "expected"),
    [
        ({"text": "Once"}, "text", PlainText("Once")),
        ({"text": "fine", "label": "good"}, "classification", Labelled("fine", ("good",))),
        ({"text": "fine", "label": 1}, "classification", Labelled("fine", ("1",))),
        ({"text": "fine", "label": True}, "classification", Labelled("fine", ("true",))),
        ({"text": "fine", "label": ["a", 2, "a"]}, "classification", Labelled("fine", ("a", "2"))),
        ({"prompt": "Q"}, "prompts", Prompt((QUESTION,))),
        ({"prompt": TURNS[:1], "system": "S"}, "prompts", Prompt((SYSTEM, QUESTION))),
        ({"prompt": "Q", "answer": 42}, "prompts", Prompt((QUESTION,), "42")),
        ({"prompt": "Q", "reference": "R", "answer": "A"}, "prompts", Prompt((QUESTION,), "R")),
        ({"prompt": "Q", "reference": ""}, "prompts", Prompt((QUESTION,))),
        (
            {"prompt": "Q", "completion": "A", "label": False},
            "unpaired",
            Unpaired((QUESTION,), (ANSWER,), False),
        ),
        (
            {"prompt": "Q", "completion": "A", "label": "True"},
            "unpaired",
            Unpaired((QUESTION,), (ANSWER,), True),
        ),
        (
            {"prompt": "Q", "chosen": "A", "rejected": "B"},
            "preference",
            Preference((QUESTION,), (ANSWER,), (WORSE,)),
        ),
        (
            {"chosen": "\n\nHuman: Q\n\nAssistant: A", "rejected": "\n\nHuman: Q\n\nAssistant: B"},
            "transcripts",
            Preference((QUESTION,), (ANSWER,), (WORSE,)),
        ),
    ],
)
def test_a_row_of_another_kind_is_recognised_and_converted(value, layout, expected):
    assert detect_layout(row(value), {}).name == layout
    example = converted(value)
    assert example == expected
    assert check_example(example, Place("tickets.jsonl", 1)) is None


@given(prompt=texts, completion=texts)
def test_text_is_kept_letter_by_letter(prompt, completion):
    for value in (
        {"prompt": prompt, "completion": completion},
        {"instruction": prompt, "output": completion},
        {"messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": completion}]},
        {"conversations": [{"from": "human", "value": prompt}, {"from": "gpt", "value": completion}]},
    ):
        assert [turn.content for turn in converted(value).messages] == [prompt, completion]
    assert converted({"text": prompt}) == PlainText(prompt)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(
        ["user", "assistant", "tool", "human", "gpt", "function_call", "[]", "{}", "\ud83d", "\0"]
    )
    | st.sampled_from(["\n\nHuman: Q\n\nAssistant: A", '[{"role": "user"}]', '{"name": "f"}', "[" * 9999]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "role",
                    "content",
                    "from",
                    "value",
                    "tool_calls",
                    "function",
                    "name",
                    "arguments",
                    "type",
                    "text",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
rows_of_any_kind = st.dictionaries(
    st.sampled_from(
        [
            *sorted(set().union(*(layout.known for layout in LAYOUTS.values()))),
            *("question", "Prompt", "response", "task", "x", "\ud83d"),
        ]
    ),
    json_values,
    max_size=6,
)


def detected_or_refused(raw, columns):
    """The layout, or None for a row that is refused; the refusal names the row and can be printed."""
    try:
        return detect_layout(raw, columns)
    except DataError as error:
        refusal = str(error)
    assert refusal.startswith(f"{raw.place}: ")
    assert refusal.encode("utf-8")
    return None


def assert_understood(raw, layout, columns):
    """The row is a problem with a way out, or an example that can be written, read back and is checked."""
    example = to_example(raw, layout, columns)
    ignored_keys(raw, layout, columns)
    group_of(raw, columns)
    problem = example if isinstance(example, Problem) else check_example(example, raw.place)
    if problem is None:
        json.dumps(example.to_json(), ensure_ascii=False, allow_nan=False).encode("utf-8")
        assert example_from_json(example.kind, json.loads(json.dumps(example.to_json()))) == example
        assert example_id(example)
    else:
        assert problem.code and problem.what and problem.fix
        str(problem).encode("utf-8")


@given(
    value=rows_of_any_kind,
    unit=st.sampled_from(["line", "row"]),
    columns=st.dictionaries(
        st.sampled_from(["prompt", "completion", "messages", "text", "label", "task"]),
        st.sampled_from(["question", "prompt", "response", "messages", "conversations", "x"]),
        max_size=2,
    ),
)
def test_no_row_whatever_leads_to_anything_but_an_example_a_problem_or_a_data_error(value, unit, columns):
    raw = row(value, unit=unit)
    detected = detected_or_refused(raw, columns)
    for layout in [detected] if detected else LAYOUTS.values():
        assert_understood(raw, layout, columns)


@pytest.mark.parametrize(
    ("value", "layout", "what"),
    [
        ({"prompt": "Q", "completion": "A"}, "messages", "lacks `messages`"),
        ({"messages": "hello"}, "messages", "a text that is not JSON"),
        ({"messages": '[{"role": "user", "role": "user"}]'}, "messages", "a text that is not JSON"),
        ({"messages": []}, "messages", "an empty list"),
        ({"messages": {"role": "user"}}, "messages", "is not a list of turns"),
        ({"prompt": "Q", "completion": None}, "prompt_completion", "has `prompt` and lacks `completion`"),
        ({"prompt": "Q", "completion": 3}, "prompt_completion", "`completion` is not a list of turns"),
        ({"instruction": "Q", "output": 3}, "alpaca", "`output` is not a text"),
        (
            {"instruction": "Q", "output": "A", "history": ["x"]},
            "alpaca",
            "`history` is not a list of question",
        ),
        ({"instruction": "Q", "output": "A", "history": [["x", 1]]}, "alpaca", "`history` is not a text"),
        (
            {"messages": [{"role": "system", "content": "T"}, *TURNS], "system": "S"},
            "messages",
            "beside `system`",
        ),
        ({"text": 3}, "text", "`text` is not a text"),
        ({"text": "x", "label": {"a": 1}}, "classification", "`label` is neither a text nor a number"),
        ({"text": "x", "label": [None]}, "classification", "`label` is neither a text nor a number"),
        ({"prompt": "Q", "answer": ["A"]}, "prompts", "`reference` is neither a text nor a number"),
        ({"prompt": "Q", "completion": "A", "label": "maybe"}, "unpaired", "`label` is not true or false"),
    ],
)
def test_a_row_that_does_not_fit_its_layout_says_why_and_how_to_drop_it(value, layout, what):
    problem = converted(value, layout)
    assert isinstance(problem, Problem)
    assert what in str(problem)
    assert "data.clean.bad_rows: drop" in problem.fix


@pytest.mark.parametrize(
    ("value", "layout", "lost"),
    [
        ({"messages": TURNS, "images": ["cat.png"]}, "messages", "images"),
        ({"messages": TURNS, "functions": [{"name": "f"}]}, "messages", "functions"),
        ({"instruction": "Q", "output": "A", "tools": [{"name": "f"}]}, "alpaca", "tools"),
        (
            {"prompt": "Summarise", "chosen": "A", "rejected": "B", "input": "a long text"},
            "preference",
            "input",
        ),
        ({"text": "x", "label": "y", "image": "cat.png"}, "classification", "image"),
    ],
)
def test_a_key_that_changes_the_meaning_and_is_not_read_is_a_problem(value, layout, lost):
    problem = converted(value, layout)
    assert isinstance(problem, Problem)
    assert problem.code == "not_supported"
    assert f"`{lost}`, which would be lost" in problem.what


def test_such_a_key_that_holds_nothing_is_no_problem():
    for nothing in (None, "", [], {}):
        assert converted({"messages": TURNS, "images": nothing}) == Conversation((QUESTION, ANSWER))


def test_keys_that_nobody_reads_are_named_those_of_turns_as_well():
    value = {"messages": TURNS, "id": 7, "note": "", "source": None, "topic": "x"}
    assert ignored_keys(row(value), LAYOUTS["messages"], {}) == {"id", "topic"}
    dated = {
        "messages": [{**TURNS[0], "date": "May", "name": "Ann"}, {**TURNS[1], "date": None, "weight": 1}]
    }
    assert ignored_keys(row(dated), LAYOUTS["messages"], {}) == {"messages[].date", "messages[].name"}
    shared = {"conversations": [{"from": "human", "value": "Q", "lang": "en"}]}
    assert ignored_keys(row(shared), LAYOUTS["sharegpt"], {}) == {"conversations[].lang"}


def test_a_column_that_the_recipe_renames_is_read_and_hides_one_of_our_name():
    columns = {"prompt": "question", "completion": "answer"}
    value = {"question": "Q", "answer": "A", "prompt": "template 7", "id": 1}
    assert detect_layout(row(value), columns).name == "prompt_completion"
    assert converted(value, columns=columns) == Conversation((QUESTION, ANSWER))
    assert ignored_keys(row(value), LAYOUTS["prompt_completion"], columns) == {"prompt", "id"}


def test_two_columns_can_change_places():
    columns = {"prompt": "completion", "completion": "prompt"}
    assert converted({"prompt": "A", "completion": "Q"}, columns=columns) == Conversation((QUESTION, ANSWER))


def test_a_row_without_a_renamed_column_is_told_the_name_in_its_file():
    problem = to_example(
        row({"answer": "A"}), LAYOUTS["alpaca"], {"prompt": "question", "completion": "answer"}
    )
    assert isinstance(problem, Problem)
    assert "has `answer` and lacks `question`" in problem.what


def test_columns_of_alpaca_and_sharegpt_are_renamed_by_our_words_for_them():
    assert converted({"task_text": "Q", "input": "I", "output": "A"}, columns={"prompt": "task_text"}) == (
        Conversation((Message("user", "Q\n\nI"), ANSWER))
    )
    shared = {"chat": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]}
    assert converted(shared, columns={"messages": "chat"}) == Conversation((QUESTION, ANSWER))


def test_null_in_a_table_means_that_the_row_lacks_the_key():
    call = {"name": "book", "arguments": {"city": "Rome", "flight": None}}
    value = {
        "messages": [
            {"role": "user", "content": "Q", "tool_calls": None},
            {"role": "assistant", "content": "A", "tool_calls": [{"function": call}]},
        ]
    }
    assert converted(value, unit="row").messages[1].tool_calls[0].arguments == {"city": "Rome"}
    assert converted(value, unit="line").messages[1].tool_calls[0].arguments == {
        "city": "Rome",
        "flight": None,
    }


@pytest.mark.parametrize("unit", ["line", "row"])
def test_endless_nesting_is_a_problem_where_it_would_be_kept_and_ignored_where_not(unit):
    deep = []
    for _ in range(900):
        deep = [deep]
    problem = converted({"messages": TURNS, "tools": deep}, unit=unit)
    assert isinstance(problem, Problem)
    assert problem.code == "too_deep"
    assert converted({"messages": TURNS, "note": deep}, unit=unit) == Conversation((QUESTION, ANSWER))


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("refund", "refund"),
        (" refund ", "refund"),
        (3, "3"),
        ("", None),
        (None, None),
        (True, None),
        (["a"], None),
        ("x" * 65, None),
        ("two\nlines", None),
        ("\ud83d", None),
    ],
)
def test_the_rows_own_task_counts_where_it_is_a_short_name(task, name):
    value = {"prompt": "Q", "completion": "A", "task": task}
    assert group_of(row(value), {}) == name
    unused = name is None and task not in (None, "")
    assert ignored_keys(row(value), LAYOUTS["prompt_completion"], {}) == ({"task"} if unused else set())


def test_the_column_of_the_task_can_be_renamed():
    value = {"prompt": "Q", "completion": "A", "kind": "refund", "task": "Book me a flight"}
    assert group_of(row(value), {"task": "kind"}) == "refund"
    assert ignored_keys(row(value), LAYOUTS["prompt_completion"], {"task": "kind"}) == {"task"}
