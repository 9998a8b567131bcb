"""Rows come out without the values, with one placeholder a value."""

from collections import Counter
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.privacy import Redactor
from core.models.examples import Conversation, Labelled, PlainText, Preference, Prompt, Unpaired
from core.recipe.data import Redactable
from serve.chat import Message, ToolCall
from serve.privacy import KINDS

REDACTOR = Redactor(["email", "phone", "iban", "card", "ip", "secret"])


def user(text):
    return Message("user", text)


def answer(text, **more):
    return Message("assistant", text, **more)


def redacted(text):
    example, _ = REDACTOR.redact(PlainText(text))
    return example.text


def test_every_kind_of_the_recipe_can_be_found():
    assert set(get_args(Redactable)) == set(KINDS)


def test_one_person_has_one_placeholder_throughout_a_conversation():
    example = Conversation(
        (
            user("I am anna@firm.de, not bob@firm.de"),
            answer("Bob is BOB@FIRM.DE?"),
            user("anna@firm.de!"),
            answer("ok"),
        )
    )
    changed, counts = REDACTOR.redact(example)
    assert [turn.content for turn in changed.turns()] == [
        "I am <EMAIL_1>, not <EMAIL_2>",
        "Bob is <EMAIL_2>?",
        "<EMAIL_1>!",
        "ok",
    ]
    assert counts == Counter(email=4)


def test_the_same_value_in_another_spelling_has_the_same_placeholder():
    assert redacted("Call +49 30 1234567, that is 030/1234567, not +49 30 7654321") == (
        "Call <PHONE_1>, that is <PHONE_1>, not <PHONE_2>"
    )
    assert redacted("4111 1111 1111 1111 = 4111111111111111") == "<CARD_1> = <CARD_1>"
    assert redacted("DE89370400440532013000 de89 3704 0044 0532 0130 00") == "<IBAN_1> <IBAN_1>"


def test_numbers_begin_anew_in_every_row():
    for mail in ("anna@firm.de", "bob@firm.de"):
        changed, _ = REDACTOR.redact(PlainText(mail))
        assert changed == PlainText("<EMAIL_1>")


def test_prompt_chosen_and_rejected_share_their_placeholders():
    example = Preference((user("a@x.de"),), (answer("b@x.de"),), (answer("a@x.de and b@x.de"),))
    changed, counts = REDACTOR.redact(example)
    assert changed == Preference(
        (user("<EMAIL_1>"),), (answer("<EMAIL_2>"),), (answer("<EMAIL_1> and <EMAIL_2>"),)
    )
    assert counts == Counter(email=4)


@pytest.mark.parametrize(
    ("example", "expected"),
    [
        (Labelled("to a@x.de", ("a@x.de",)), Labelled("to <EMAIL_1>", ("a@x.de",))),
        (
            Unpaired((user("a@x.de"),), (answer("1.2.3.4"),), good=False),
            Unpaired((user("<EMAIL_1>"),), (answer("<IP_1>"),), good=False),
        ),
        (Prompt((user("a@x.de"),), "is a@x.de"), Prompt((user("<EMAIL_1>"),), "is <EMAIL_1>")),
        (
            Conversation((answer("", tool_calls=(ToolCall("mail", {"to": ["a@x.de"], "n": 3}, id="c1"),)),)),
            Conversation(
                (answer("", tool_calls=(ToolCall("mail", {"to": ["<EMAIL_1>"], "n": 3}, id="c1"),)),)
            ),
        ),
    ],
)
def test_texts_of_every_kind_of_row_are_redacted_and_nothing_else(example, expected):
    assert REDACTOR.redact(example)[0] == expected


def test_a_question_says_what_the_number_in_the_answer_is():
    example = Conversation((user("What is your phone number?"), answer("2125550123")))
    assert REDACTOR.redact(example)[0].messages[1].content == "<PHONE_1>"
    example = Conversation((user("What is your order number?"), answer("2125550123")))
    assert REDACTOR.redact(example)[0] is example


def test_no_value_reaches_from_one_turn_into_the_next():
    example = Conversation((user("+49 30 12"), answer("34567 and anna@"), user("firm.de")))
    assert REDACTOR.redact(example) == (example, Counter())


def test_a_clean_row_comes_back_as_it_is():
    example = Conversation((user("How old is Rome?"), answer("About 2,775 years; founded 753 BC.")))
    assert REDACTOR.redact(example)[0] is example


def test_placeholders_that_stand_there_already_keep_their_numbers():
    assert redacted("<EMAIL_1> wrote to anna@firm.de, password=<SECRET_1>") == (
        "<EMAIL_1> wrote to <EMAIL_2>, password=<SECRET_1>"
    )


parts = st.sampled_from(
    [
        "anna@firm.de",
        "+49 30 1234567",
        "4111 1111 1111 1111",
        "203.0.113.9",
        "password: Hunter2!",
        "<EMAIL_1>",
        "12",
        "api_key=9f86d081884c7d659a2feaa0c55ad015",
        "DE89370400440532013000",
        " ",
        "-",
        "@",
        ".",
        "+",
        "x",
        "call ",
        "\n",
    ]
)


@given(st.lists(parts, max_size=12).map("".join))
def test_redacting_twice_changes_nothing_more(text):
    once = redacted(text)
    again, counts = REDACTOR.redact(PlainText(once))
    assert again.text == once
    assert not counts


@given(st.lists(parts, max_size=8).map("".join), st.lists(parts, max_size=8).map("".join))
def test_equal_rows_are_redacted_equally(first, second):
    example = Conversation((user(first), answer(second)))
    assert REDACTOR.redact(example) == Redactor(["secret", "ip", "card", "iban", "phone", "email"]).redact(
        example
    )


def test_lone_surrogates_and_nul_bytes_survive():
    assert redacted("\ud800 anna@firm.de \0") == "\ud800 <EMAIL_1> \0"
