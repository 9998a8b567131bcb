"""What cleaning does to a row: changed and counted, or dropped with a reason."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.clean.cleaner import Cleaner
from core.data.lint.findings import FINDINGS
from core.models.examples import Conversation, Labelled, PlainText, Preference, Prompt, Unpaired
from core.recipe.data import Clean
from serve.chat import Message, ToolCall
from tunery.errors import BadInput

GOOD = "The refund is on its way and arrives within three days."


def turns(shape, text="The flight is on time."):
    names = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
    return tuple(Message(names[letter], f"{text} {number}") for number, letter in enumerate(shape))


def cleaned(example, redact=None, **section):
    return Cleaner(Clean(**section), redact).clean(example)


@given(st.text(alphabet="suat", min_size=1, max_size=6), st.text(max_size=20))
def test_a_recipe_that_asks_for_nothing_changes_nothing(shape, text):
    row = Conversation(turns(shape, text))
    done = cleaned(row)
    assert done.example is row
    assert not done.changes
    assert done.reason is None


@pytest.mark.parametrize(
    ("shape", "left", "cut"),
    [("uau", "ua", 1), ("suauu", "sua", 2), ("uaus", "ua", 2), ("uat", "ua", 1), ("ua", "ua", 0)],
)
def test_a_question_without_an_answer_is_cut_off_and_counted(shape, left, cut):
    done = cleaned(Conversation(turns(shape)), unanswered="trim")
    assert done.example == Conversation(turns(shape)[: len(left)])
    assert +done.changes == +Counter(trimmed=cut)


def test_a_conversation_without_any_answer_is_left_for_the_check_to_refuse():
    row = Conversation(turns("su"))
    assert cleaned(row, unanswered="trim").example is row


def test_an_unanswered_row_is_dropped_where_the_recipe_says_so():
    done = cleaned(Conversation(turns("uau")), unanswered="drop")
    assert (done.example, done.reason) == (None, "unanswered")
    assert cleaned(Conversation(turns("ua")), unanswered="drop").reason is None


def test_trimming_keeps_the_tools_of_a_conversation():
    tools = ({"name": "find"},)
    assert cleaned(Conversation(turns("uau"), tools), unanswered="trim").example == Conversation(
        turns("ua"), tools
    )


def test_texts_brought_into_one_form_are_counted_in_every_place_of_a_row():
    call = Message("assistant", "", (ToolCall("find", {"name": "Jose\u0301"}),))
    row = Conversation((Message("user", "Where is the re\u00adfund?"), call, Message("assistant", "Here.")))
    done = cleaned(row, unicode="nfc")
    assert done.changes == Counter(unicode=2)
    assert done.example.messages[0].content == "Where is the refund?"
    assert done.example.messages[1].tool_calls[0].arguments == {"name": "José"}
    plain = Conversation(turns("ua"))
    assert cleaned(plain, unicode="nfc").example is plain


@pytest.mark.parametrize(
    "row",
    [
        Conversation((Message("user", "Where?"), Message("assistant", " ab "))),
        Preference(turns("u"), (Message("assistant", "ab"),), turns("a")),
        Unpaired(turns("u"), (Message("assistant", "ab"),), good=True),
    ],
)
def test_the_shortest_answers_are_dropped(row):
    assert cleaned(row, min_answer_characters=3).reason == "short_answer"
    assert cleaned(row, min_answer_characters=2).reason is None


def test_rows_without_an_answer_and_calls_of_tools_are_never_too_short():
    call = Message("assistant", "", (ToolCall("find", {}),))
    for row in (PlainText("x"), Labelled("x", ("y",)), Prompt(turns("u")), Conversation((*turns("u"), call))):
        assert cleaned(row, min_answer_characters=100).example is row


def test_a_row_of_the_allowed_length_stays_and_a_longer_one_goes():
    row = PlainText("x" * 10)
    assert cleaned(row, max_characters=10).reason is None
    assert cleaned(row, max_characters=9).reason == "long_row"


def test_rows_in_other_languages_are_dropped_and_unsure_ones_stay():
    german = "Das Geld für Ihren Flug ist auf dem Weg und wird in drei Tagen auf Ihrem Konto sein."
    chinese = "您的航班退款已经在路上，三天之内就会到达您的账户。"
    english = Cleaner(Clean(languages=("en",)), None)
    assert english.clean(PlainText(GOOD)).reason is None
    assert english.clean(PlainText(german)).reason == "other_language"
    for answer in (german, chinese):
        mixed = Conversation((Message("user", GOOD), Message("assistant", answer)))
        assert english.clean(mixed).reason == "other_language"
        assert cleaned(mixed, languages=("en", "de", "zh")).reason is None
    for unsure in ("OK", "4815 + 1623 = 6438", "x = [a, b]", "", "12:30"):
        assert english.clean(PlainText(unsure)).reason is None


def test_a_language_that_nobody_can_tell_is_refused_at_once():
    with pytest.raises(
        BadInput, match=r"data\.clean\.languages: there is no language 'english'.* de, .* en,"
    ):
        Cleaner(Clean(languages=("english",)), None)


def test_redaction_comes_last_and_its_counts_are_told():
    def redact(example):
        text = example.text
        return PlainText(text.replace("josé", "<PERSON_1>")), Counter(person=text.count("josé"))

    done = cleaned(PlainText("jose\u0301 and jose\u0301"), redact, unicode="nfc")
    assert done.example == PlainText("<PERSON_1> and <PERSON_1>")
    assert done.changes == Counter(unicode=1, person=2)
    assert cleaned(PlainText("josé"), redact, max_characters=2).reason == "long_row"


def test_every_reason_stands_in_the_table_of_findings():
    assert {"unanswered", "short_answer", "long_row", "other_language"} <= FINDINGS.keys()


@given(
    st.text(alphabet="suat", max_size=5), st.text(max_size=30), st.sampled_from(["refuse", "drop", "trim"])
)
def test_cleaning_twice_is_cleaning_once(shape, text, unanswered):
    cleaner = Cleaner(Clean(unanswered=unanswered, unicode="nfkc", max_characters=200), None)
    once = cleaner.clean(Conversation(turns(shape, text)))
    if once.example is not None:
        again = cleaner.clean(once.example)
        assert again.example == once.example
        assert not +again.changes
