"""Turns of chat APIs and of ShareGPT: typed parts, tool calls, and what would be lost."""

import json

import pytest

from core.data.check import check_example
from core.data.layouts import LAYOUTS, to_example
from core.data.rows import Place, Problem, RawRow
from core.models.examples import Conversation
from serve.chat import Message, ToolCall

PLACE = Place("tickets.jsonl", 1)
ASKED = {"role": "user", "content": "Is flight 7 late?"}
CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "status", "arguments": '{"flight": 7, "day": null}'},
}
TOOL = {
    "type": "function",
    "function": {"name": "status", "parameters": {"type": "object", "properties": {}}},
}
STATUS = ToolCall("status", {"flight": 7, "day": None}, "call_1")


def converted(value, layout="messages"):
    return to_example(RawRow(PLACE, value), LAYOUTS[layout], {})


def test_a_conversation_with_tools_keeps_calls_answers_and_schemas():
    turns = [
        ASKED,
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "content": "late", "tool_call_id": "call_1", "name": "status"},
        {"role": "assistant", "content": "It is late."},
    ]
    example = converted({"messages": turns, "tools": [TOOL]})
    assert example == Conversation(
        (
            Message("user", "Is flight 7 late?"),
            Message("assistant", "", (STATUS,)),
            Message("tool", "late", (), "status", "call_1"),
            Message("assistant", "It is late."),
        ),
        (TOOL,),
    )
    assert check_example(example, PLACE) is None
    assert converted({"messages": json.dumps(turns), "tools": json.dumps([TOOL])}) == example


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ({"function": {"name": "status", "arguments": {"flight": 7}}}, ToolCall("status", {"flight": 7})),
        ({"name": "status", "arguments": {"flight": 7}}, ToolCall("status", {"flight": 7})),
        ({"name": "status"}, ToolCall("status", {})),
        ({"name": "status", "arguments": ""}, ToolCall("status", {})),
        ({"name": "status", "arguments": "{}"}, ToolCall("status", {})),
    ],
)
def test_a_call_may_be_written_with_or_without_its_wrapping(call, expected):
    example = converted({"messages": [ASKED, {"role": "assistant", "content": "", "tool_calls": [call]}]})
    assert example.messages[1].tool_calls == (expected,)


def test_a_bare_tool_is_wrapped_as_templates_and_the_api_expect_it():
    example = converted({"messages": [ASKED], "tools": [TOOL["function"]]})
    assert example.tools == (TOOL,)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "Is it"}, {"type": "text", "text": "late?"}], "Is it\nlate?"),
        (["Is it late?"], "Is it late?"),
        ([{"type": "text", "text": "x", "image_url": None}], "x"),
        ([], ""),
    ],
)
def test_text_parts_are_joined_as_the_api_joins_them(content, text):
    assert converted({"messages": [{"role": "user", "content": content}]}).messages[0].content == text


@pytest.mark.parametrize(
    ("turn", "code", "what"),
    [
        ("hello", "wrong_type", "turn 1 is not an object"),
        ({"role": "user"}, "wrong_type", "turn 1 has no `content`"),
        ({"content": "x"}, "wrong_type", "turn 1 has no `role`"),
        ({"role": 1, "content": "x"}, "wrong_type", "`role` of turn 1 is not a text"),
        ({"role": "user", "content": 3}, "wrong_type", "`content` of turn 1 is not a text"),
        ({"role": "user", "content": [{"type": "text"}]}, "wrong_type", "not a text or a list of text parts"),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]},
            "not_supported",
            "turn 1 holds a part of type 'image_url'",
        ),
        ({"role": "assistant", "content": None, "tool_calls": []}, "wrong_type", "turn 1 has no `content`"),
        (
            {"role": "assistant", "tool_calls": {"name": "f"}},
            "wrong_type",
            "`tool_calls` of turn 1 is not a list",
        ),
        ({"role": "assistant", "tool_calls": [{}]}, "wrong_type", "a tool call without the name"),
        ({"role": "assistant", "tool_calls": [{"name": "f", "arguments": "{"}]}, "wrong_type", "not JSON"),
        (
            {"role": "assistant", "tool_calls": [{"name": "f", "arguments": [1]}]},
            "wrong_type",
            "is not an object",
        ),
        ({"role": "assistant", "tool_calls": [{"name": "f", "id": 3}]}, "wrong_type", "`id` is not a text"),
        (
            {"role": "assistant", "tool_calls": [{"name": "f", "arguments": '{"x": NaN}'}]},
            "wrong_type",
            "which JSON does not have",
        ),
        (
            {
                "role": "assistant",
                "tool_calls": [{"name": "f", "arguments": '{"x": %s}' % ("[" * 80 + "]" * 80)}],
            },
            "too_deep",
            "nested more than",
        ),
        ({"role": "tool", "content": "late", "tool_call_id": 3}, "wrong_type", "`tool_call_id` of turn 1"),
        (
            {"role": "assistant", "content": "x", "function_call": {"name": "f"}},
            "not_supported",
            "`function_call`",
        ),
        ({"role": "assistant", "content": "x", "reasoning_content": "y"}, "not_supported", "would be lost"),
        ({"role": "assistant", "content": "x", "weight": 0}, "not_supported", "is not to be trained on"),
    ],
)
def test_a_turn_that_cannot_be_read_says_why(turn, code, what):
    problem = converted({"messages": [turn]})
    assert isinstance(problem, Problem)
    assert problem.code == code
    assert what in problem.what


@pytest.mark.parametrize(
    ("tools", "what"),
    [
        ({"name": "f"}, "`tools` is not a list"),
        ("f", "`tools` is a text that is not JSON"),
        ([{}], "tool 1 has no name"),
        ([TOOL, "f"], "tool 2 has no name"),
        ([{"name": "f", "parameters": {"x": float("inf")}}], "which JSON does not have"),
    ],
)
def test_tools_that_are_no_functions_say_why(tools, what):
    problem = converted({"messages": [ASKED], "tools": tools})
    assert isinstance(problem, Problem)
    assert what in problem.what


def test_sharegpt_names_of_the_roles_are_ours_afterwards():
    said = [("system", "S"), ("human", "Q"), ("gpt", "A"), ("user", "Q2"), ("Assistant", "A2")]
    example = converted({"conversations": [{"from": name, "value": text} for name, text in said]}, "sharegpt")
    assert [(turn.role, turn.content) for turn in example.messages] == [
        ("system", "S"),
        ("user", "Q"),
        ("assistant", "A"),
        ("user", "Q2"),
        ("assistant", "A2"),
    ]


@pytest.mark.parametrize("listed", [False, True])
def test_sharegpt_calls_and_observations_become_tool_calls_and_answers(listed):
    call = {"name": "status", "arguments": {"flight": 7}}
    turns = [
        {"from": "human", "value": "Is it late?"},
        {"from": "function_call", "value": json.dumps([call] if listed else call)},
        {"from": "observation", "value": "late"},
        {"from": "gpt", "value": "It is late."},
    ]
    example = converted({"conversations": turns, "tools": json.dumps([TOOL["function"]])}, "sharegpt")
    assert example.messages[1] == Message("assistant", "", (ToolCall("status", {"flight": 7}),))
    assert example.messages[2] == Message("tool", "late")
    assert example.tools == (TOOL,)
    assert check_example(example, PLACE) is None


@pytest.mark.parametrize(
    ("turn", "code", "what"),
    [
        ("hello", "wrong_type", "turn 1 is not an object"),
        ({"from": "human"}, "wrong_type", "turn 1 has no `value`"),
        ({"value": "x"}, "wrong_type", "turn 1 has no `from`"),
        ({"from": "human", "value": 3}, "wrong_type", "`value` of turn 1 is not a text"),
        ({"from": "narrator", "value": "x"}, "unknown_role", "turn 1 is from 'narrator'"),
        (
            {"from": "function_call", "value": "status()"},
            "wrong_type",
            "`value` of turn 1 is a text that is not JSON",
        ),
        ({"from": "function_call", "value": "[]"}, "wrong_type", "calls nothing"),
        ({"from": "gpt", "value": "x", "loss": False}, "not_supported", "is not to be trained on"),
    ],
)
def test_a_sharegpt_turn_that_cannot_be_read_says_why(turn, code, what):
    problem = converted({"conversations": [turn]}, "sharegpt")
    assert isinstance(problem, Problem)
    assert problem.code == code
    assert what in problem.what


def test_a_list_of_turns_that_python_printed_into_a_table_is_not_taken_for_a_prompt():
    printed = str([ASKED])
    problem = converted({"prompt": printed, "completion": "No."}, "prompt_completion")
    assert isinstance(problem, Problem)
    assert "a text that is not JSON" in problem.what
    for text in ("[1] is a list", '[{"role": "user"}] is what I send. Why?'):
        assert (
            converted({"prompt": text, "completion": "No."}, "prompt_completion").messages[0].content == text
        )
