"""What keeps a conversation from being trained on."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.check import check_conversation
from core.data.report import refusal
from core.data.rows import Place, Problem
from serve.chat import Message, ToolCall

PLACE = Place("tickets.jsonl", 214)


def turns(shape: str, content: str = "text") -> list[Message]:
    """Turns by their first letters; "c" is an assistant that calls one tool, "C" one that calls two."""
    names = {"s": "system", "u": "user", "a": "assistant", "t": "tool", "c": "assistant", "C": "assistant"}
    calls = {"c": (ToolCall("f", {}),), "C": (ToolCall("f", {}), ToolCall("g", {}))}
    return [Message(names[letter], content, calls.get(letter, ())) for letter in shape]


@pytest.mark.parametrize("shape", ["ua", "sua", "uaua", "suauaua", "ucta", "uctctaua", "uCtta", "uCta", "uc"])
def test_a_conversation_in_order_is_fine(shape):
    assert check_conversation(turns(shape), PLACE) is None


@pytest.mark.parametrize(
    ("shape", "what"),
    [
        ("u", "no assistant turn"),
        ("su", "no assistant turn"),
        ("s", "no assistant turn"),
        ("", "no assistant turn"),
        ("uau", "ends with a user turn"),
        ("uct", "ends with a tool turn"),
        ("uas", "turn 3 has the role system where user is expected"),
        ("a", "turn 1 has the role assistant where user is expected"),
        ("sa", "turn 2 has the role assistant"),
        ("uua", "turn 2 has the role user where assistant is expected"),
        ("uauu", "turn 4 has the role user where assistant is expected"),
        ("uaa", "turn 3 has the role assistant"),
        ("usa", "turn 2 has the role system"),
        ("ssua", "turn 2 has the role system"),
        ("uta", "turn 2 has the role tool where assistant is expected"),
        ("uata", "turn 3 has the role tool where user is expected"),
        ("uctta", "turn 4 has the role tool where assistant is expected"),
        ("uca", "turn 3 has the role assistant where tool is expected"),
        ("ucua", "turn 3 has the role user where tool is expected"),
    ],
)
def test_a_conversation_out_of_order_says_which_turn(shape, what):
    problem = check_conversation(turns(shape), PLACE)
    assert problem is not None
    assert what in str(problem)
    assert str(problem).startswith("tickets.jsonl line 214: ")


@given(st.text(alphabet="suatc", min_size=1, max_size=8))
def test_exactly_the_alternating_conversations_pass(shape):
    fine = re.fullmatch(r"s?(u(ct)*a)*u(ct)*[ac]", shape) is not None
    assert (check_conversation(turns(shape), PLACE) is None) == fine


@given(st.text(alphabet="suatcC", min_size=2, max_size=8))
def test_a_conversation_is_unanswered_exactly_where_cutting_its_end_off_mends_it(shape):
    problem = check_conversation(turns(shape), PLACE)
    while shape and shape[-1] in "ut":
        shape = shape[:-1]
    mended = check_conversation(turns(shape), PLACE)
    if problem is not None and problem.code == "unanswered":
        assert mended is None
        assert "data.clean.unanswered: trim" in problem.fix


def test_what_is_wrong_besides_the_missing_answer_is_told_first():
    for shape, content, code in (("uuau", "text", "wrong_order"), ("uau", " ", "empty_turn")):
        problem = check_conversation(turns(shape, content), PLACE)
        assert problem is not None
        assert problem.code == code
        assert "data.clean.bad_rows: drop" in problem.fix


def test_an_assistant_that_calls_may_say_nothing_and_a_tool_may_find_nothing():
    asked, last = Message("user", "Q"), Message("assistant", "A")
    quiet = Message("assistant", "", (ToolCall("f", {}),))
    assert check_conversation([asked, quiet, Message("tool", ""), last], PLACE) is None


def test_a_tool_answers_a_call_that_was_made_and_each_once():
    calls = (ToolCall("f", {}, "1"), ToolCall("g", {}, "2"))
    for numbers, fine in (("12", True), ("21", True), ("3", False), ("11", False)):
        answers = [Message("tool", "x", tool_call_id=number) for number in numbers]
        talk = [Message("user", "Q"), Message("assistant", "", calls), *answers, Message("assistant", "A")]
        problem = check_conversation(talk, PLACE)
        assert (problem is None) == fine
        assert fine or problem.code == "unknown_call"


def test_only_the_assistant_calls_tools():
    problem = check_conversation(
        [Message("user", "Q", (ToolCall("f", {}),)), Message("assistant", "A")], PLACE
    )
    assert problem is not None
    assert problem.code == "misplaced_call"


@pytest.mark.parametrize(
    ("role", "better"),
    [("human", "'user'"), ("GPT", "'assistant'"), ("developer", "'system'"), ("function", "'tool'")],
)
def test_a_role_of_another_tool_is_told_its_name_here(role, better):
    problem = check_conversation([Message(role, "x"), Message("assistant", "y")], PLACE)
    assert problem is not None
    assert better in problem.fix


@pytest.mark.parametrize("empty", ["", "  \n\t", "\u00a0"])
@pytest.mark.parametrize("position", [0, 1])
def test_an_empty_turn_is_refused(empty, position):
    messages = turns("ua")
    messages[position] = Message(messages[position].role, empty)
    problem = check_conversation(messages, PLACE)
    assert problem is not None
    assert f"turn {position + 1}" in problem.what
    assert "is empty" in problem.what


def test_half_a_character_and_nul_are_refused_and_can_be_printed():
    for text, what in (("ab\ud83d", "lone surrogate"), ("a\0b", "NUL character")):
        problem = check_conversation([Message("user", text), Message("assistant", "x")], PLACE)
        assert problem is not None
        assert what in str(problem)
    problem = check_conversation([Message("us\ud83der", "x"), Message("assistant", "x")], PLACE)
    assert problem is not None
    assert problem.code == "unknown_role"
    str(problem).encode("utf-8")


@pytest.mark.parametrize(
    "call",
    [
        ToolCall("f\0", {}),
        ToolCall("f", {"\ud83d": 1}),
        ToolCall("f", {"a": [{"b": "\ud83d"}]}),
        ToolCall("f", {}, "\0"),
    ],
)
def test_damage_within_a_call_is_found(call):
    problem = check_conversation([Message("user", "Q"), Message("assistant", "", (call,))], PLACE)
    assert problem is not None
    assert problem.code in ("nul_character", "lone_surrogate")
    assert "turn 2" in problem.what


def test_of_several_bad_rows_the_first_is_named_and_the_others_are_counted():
    first = Problem("c", Place("a.jsonl", 3), "it is wrong", "mend it")
    assert refusal(first, 3) == "a.jsonl line 3: it is wrong; mend it (and 2 more rows cannot be used)"
    assert refusal(first, 2) == "a.jsonl line 3: it is wrong; mend it (and 1 more row cannot be used)"
    assert refusal(first, 1) == "a.jsonl line 3: it is wrong; mend it"
