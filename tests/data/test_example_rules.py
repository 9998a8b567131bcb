"""What keeps examples other than conversations from being trained on."""

import pytest

from core.data.check import check_example
from core.data.rows import Place
from core.models.examples import Conversation, Labelled, PlainText, Preference, Prompt, Unpaired
from serve.chat import Message

PLACE = Place("pairs.jsonl", 8)
SYSTEM, QUESTION, ANSWER, WORSE, EMPTY = (
    Message("system", "S"),
    Message("user", "Q"),
    Message("assistant", "A"),
    Message("assistant", "B"),
    Message("assistant", " \n"),
)


@pytest.mark.parametrize(
    "example",
    [
        Conversation((QUESTION, ANSWER), ({"type": "function", "function": {"name": "f"}},)),
        PlainText("Once"),
        Labelled("fine", ("good",)),
        Labelled("fine", ("good", "short")),
        Preference((QUESTION,), (ANSWER,), (WORSE,)),
        Preference((SYSTEM, QUESTION), (ANSWER, QUESTION, ANSWER), (WORSE,)),
        Unpaired((QUESTION,), (ANSWER,), False),
        Prompt((QUESTION,)),
        Prompt((SYSTEM, QUESTION, ANSWER, QUESTION), "R"),
    ],
)
def test_an_example_as_it_should_be_is_fine(example):
    assert check_example(example, PLACE) is None


@pytest.mark.parametrize(
    ("example", "code", "what"),
    [
        (Conversation((QUESTION, ANSWER, QUESTION)), "unanswered", "ends with a user turn"),
        (Conversation((QUESTION, ANSWER), ({"description": "\ud83d"},)), "lone_surrogate", "`tools`"),
        (PlainText(" \n"), "empty_text", "the text is empty"),
        (PlainText("a\0"), "nul_character", "the text"),
        (Labelled("", ("good",)), "empty_text", "the text is empty"),
        (Labelled("fine", ()), "empty_label", "the list of labels is empty"),
        (Labelled("fine", ("good", " ")), "empty_label", "a label is empty"),
        (Labelled("fine", ("\ud83d",)), "lone_surrogate", "a label"),
        (Preference((QUESTION,), (ANSWER,), (ANSWER,)), "no_preference", "are equal"),
        (Preference((), (ANSWER,), (WORSE,)), "no_prompt", "the prompt has no turn"),
        (Preference((QUESTION,), (), (WORSE,)), "no_answer", "`chosen` has no turn"),
        (Preference((QUESTION,), (ANSWER,), (EMPTY,)), "empty_turn", "followed by `rejected`, turn 2"),
        (
            Preference((QUESTION,), (ANSWER, QUESTION), (WORSE,)),
            "no_answer",
            "`chosen` does not end with an answer",
        ),
        (Preference((QUESTION,), (ANSWER, ANSWER), (WORSE,)), "wrong_order", "turn 3"),
        (
            Preference((QUESTION, ANSWER), (QUESTION, ANSWER), (QUESTION, WORSE)),
            "wrong_order",
            "begins with a user",
        ),
        (Preference((SYSTEM,), (ANSWER,), (WORSE,)), "wrong_order", "turn 2 has the role assistant"),
        (Unpaired((QUESTION,), (EMPTY,), True), "empty_turn", "followed by `completion`, turn 2"),
        (Unpaired((QUESTION,), (), True), "no_answer", "`completion` has no turn"),
        (Unpaired((QUESTION,), (QUESTION,), True), "no_answer", "no assistant turn"),
        (Prompt(()), "no_prompt", "the prompt has no turn"),
        (Prompt((Message("user", ""),)), "empty_turn", "turn 1 (user) is empty"),
        (Prompt((QUESTION, ANSWER)), "no_prompt", "leaves nothing to answer"),
        (Prompt((SYSTEM,)), "no_prompt", "leaves nothing to answer"),
        (Prompt((QUESTION, SYSTEM)), "wrong_order", "turn 2 has the role system"),
        (Prompt((Message("human", "Q"),)), "unknown_role", "turn 1 has the role 'human'"),
        (Prompt((QUESTION,), "\0"), "nul_character", "the reference"),
    ],
)
def test_an_example_that_cannot_be_trained_on_says_why_and_names_the_key_that_handles_it(example, code, what):
    problem = check_example(example, PLACE)
    assert problem is not None
    assert problem.code == code
    assert what in problem.what
    assert str(problem).startswith("pairs.jsonl line 8: ")
    key = "data.clean.unanswered: trim" if code == "unanswered" else "data.clean.bad_rows: drop"
    assert problem.fix.endswith(f", or set {key}")
