import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.evaluate.scores import Answer, score
from core.evaluate.structured import parse_structured, same_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@pytest.mark.parametrize(
    "text",
    [
        "", "Sure!", "42", '"quoted"', "true", "null", '{"a": NaN}', '[Infinity]', '{"a": 1} thanks',
        '```json\n{"a": 1}\n```', "{'a': 1}", '{"a": 1', "[" * 100_000, '{"n": ' + "9" * 6000 + "}",
    ],
)  # fmt: skip
def test_what_a_program_could_not_read_is_not_structured(text: str) -> None:
    assert parse_structured(text) is None


def test_objects_and_arrays_are_structured() -> None:
    assert parse_structured(' {"category": "refund", "urgent": true}\n') == {
        "category": "refund",
        "urgent": True,
    }
    assert parse_structured("[]") == []


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": 0}, {"a": False}, False),
        ({"a": None}, {}, False),
        ([1, 2], [2, 1], False),
        ({"a": [{"b": "x"}]}, {"a": [{"b": "x"}]}, True),
        ({"a": [{"b": "x"}]}, {"a": [{"b": "X"}]}, False),
        ({}, [], False),
        ("1", 1, False),
    ],
)
def test_equality_is_that_of_json(left: object, right: object, same: bool) -> None:
    assert same_json(left, right) is same


@given(VALUES)
def test_a_value_equals_what_its_text_parses_to(value: object) -> None:
    assert same_json([value], parse_structured(json.dumps([value])))


def test_an_answer_to_a_structured_row_is_scored_as_json() -> None:
    reference = '{"category": "refund", "urgency": 2}'
    right = score(Answer('{"urgency":2,"category":"refund"}', 12, stopped=True), reference)
    wrong = score(Answer('{"urgency":3,"category":"refund"}', 12, stopped=True), reference)
    broken = score(Answer('{"urgency":3,"category":', 9, stopped=False), reference)
    assert (right.exact, right.valid_json) == (True, True)
    assert (wrong.exact, wrong.valid_json) == (False, True)
    assert (broken.exact, broken.valid_json, broken.stopped) == (False, False, False)


def test_an_answer_to_a_plain_row_has_no_json_scores() -> None:
    plain = score(Answer('{"a": 1}', 5, stopped=True), "Good morning!")
    assert plain.exact is None
    assert plain.valid_json is None
