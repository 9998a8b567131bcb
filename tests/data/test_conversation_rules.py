"""What keeps a conversation from being trained on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.check import check_conversation
from core.data.rows import Place, Problem, refuse
from serve.chat import Message
from tunery.errors import DataError

PLACE = Place("tickets.jsonl", 214)


def turns(shape: str, content: str = "text") -> list[Message]:
    names = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
    return [Message(names[letter], content) for letter in shape]


@pytest.mark.parametrize("shape", ["ua", "sua", "uaua", "suauaua"])
def test_a_conversation_in_order_is_fine(shape):
    assert check_conversation(turns(shape), PLACE) is None


@pytest.mark.parametrize(
    ("shape", "what"),
    [
        ("u", "no assistant turn"),
        ("su", "no assistant turn"),
        ("s", "no assistant turn"),
        ("uau", "ends with a user turn"),
        ("uas", "ends with a system turn"),
        ("a", "turn 1 has the role assistant where user is expected"),
        ("sa", "turn 2 has the role assistant"),
        ("uua", "turn 2 has the role user where assistant is expected"),
        ("uaa", "turn 3 has the role assistant"),
        ("usa", "turn 2 has the role system"),
        ("ssua", "turn 2 has the role system"),
        ("uta", "the role 'tool'"),
    ],
)
def test_a_conversation_out_of_order_says_which_turn(shape, what):
    problem = check_conversation(turns(shape), PLACE)
    assert problem is not None
    assert what in str(problem)
    assert str(problem).startswith("tickets.jsonl line 214: ")


@given(st.text(alphabet="sua", min_size=1, max_size=8))
def test_exactly_the_alternating_conversations_pass(shape):
    rest = shape.removeprefix("s")
    fine = rest != "" and rest == "ua" * (len(rest) // 2)
    assert (check_conversation(turns(shape), PLACE) is None) == fine


@pytest.mark.parametrize(
    ("role", "better"), [("human", "'user'"), ("GPT", "'assistant'"), ("developer", "'system'")]
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
    str(problem).encode("utf-8")


def test_of_several_bad_rows_the_first_is_named_and_the_others_are_counted():
    problems = [Problem("c", Place("a.jsonl", n), "it is wrong", "mend it") for n in (3, 5, 9)]
    with pytest.raises(
        DataError, match=r"^a\.jsonl line 3: it is wrong; mend it \(and 2 more rows cannot be used\)$"
    ):
        refuse(problems)
    with pytest.raises(DataError, match=r"^a\.jsonl line 3: it is wrong; mend it$"):
        refuse(problems[:1])
    refuse([])
