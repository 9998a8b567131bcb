"""What is odd in one row is seen, and what is not odd is left in peace."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.lint.findings import FINDINGS
from core.data.lint.look import KNOWN_CONTROLS, Linter
from core.models.examples import Conversation, Labelled, PlainText, Preference, Prompt, Unpaired
from serve.chat import Message, ToolCall

SHARED = Path(__file__).parents[2] / "../shared/data"
GOOD = "The refund is on its way and arrives within three days."
LONG = (
    "We looked at your booking and found that the flight was moved by the airline. Since nobody told you, "
    "all costs come back to your card within three days. Keep the old ticket until then. If a hotel was "
    "needed, send its bill to the desk, and name the person who stayed there. "
)


def asked(answer, prompt="Where is the refund for my flight?"):
    return Conversation((Message("user", prompt), Message("assistant", answer)))


def pair(chosen, rejected, prompt="Where is the refund for my flight?"):
    return Preference(
        (Message("user", prompt),), (Message("assistant", chosen),), (Message("assistant", rejected),)
    )


def codes(example, linter=None):
    return [seen.code for seen in (linter or Linter()).look(example)]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("Your fiancÃ© can board with you.", "encoding_damage"),
        ("Donâ€™t worry about the bag.", "encoding_damage"),
        ("ÐŸÑ€Ð¸Ð²ÐµÑ‚, your flight is on time.", "encoding_damage"),
        ("The name was lost: M\ufffdller.", "encoding_damage"),
        ("Your flight is late.<|im_end|>", "control_token"),
        ("[INST] Where is my bag? [/INST]", "control_token"),
        ("Terms &amp; conditions apply.", "html_entity"),
        ("First this.\\n\\nThen that.", "spelled_escape"),
        ("Gr\\u00fc\\u00dfe from the desk.", "spelled_escape"),
        ("We will re\u00adfund it.", "invisible_character"),
        ("\ufeffYour flight is on time.", "invisible_character"),
        ("The cafe\u0301 is at gate 4.", "invisible_character"),
        (" Your flight is on time.", "leading_space"),
        ("\nYour flight is on time.", "leading_space"),
        ("TODO", "placeholder"),
        ("n/a.", "placeholder"),
        ("[Insert]", "placeholder"),
        ("Lorem ipsum dolor sit amet, consectetur.", "placeholder"),
        ("As an AI language model, I cannot see bookings.", "machine_phrase"),
        ("Where is the refund for my flight? It is on its way.", "repeats_prompt"),
        (LONG + "Please note that the next", "cut_answer"),
        (LONG + "```python\nprint(1)\n", "cut_answer"),
        ("I see. " + "The bag is at the desk in hall B. " * 5, "repeated_text"),
        ("The bag is at the desk in hall B.\nSo be it.\n" * 5, "repeated_text"),
        ("Ihr Geld ist schon auf dem Weg und wird in drei Tagen bei Ihnen sein.", "mixed_languages"),
        ("退款已经在路上，三天之内就会到账。", "mixed_languages"),
    ],
)
def test_an_odd_answer_is_seen(answer, code):
    assert codes(asked(answer)) == [code]
    assert code in FINDINGS


@pytest.mark.parametrize(
    "answer",
    [
        GOOD,
        "Café Zürich costs 4 € – naïve, isn’t it?",
        "A palavra “IRMÔ is a Portuguese word.",
        "None of the flights are late.",
        "Not a number.",
        "R&D and Q&A are at gate 4 & 5.",
        "Write &amp; where the page shows <b>and</b>.",
        'Use print("first\\n\\nsecond") for two lines.',
        "The share is C:\\new\\users.",
        "Yes",
        "4",
        "The [MASK] is on and the <b>bag</b> is here.",
        "👩\u200d👩\u200d👧 may board first. 🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        LONG,
        LONG + "\n- gate\n- the desk in hall B, where the bag is kept",
        LONG + "\nSee https://example.org/a/very/long/address/that/ends/here",
        "+-----------------------------------------+\n| gate |\n" * 5 + "Done.",
        "Ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha.",
    ],
)
def test_a_good_answer_is_left_in_peace(answer):
    assert codes(asked(answer)) == []


def test_a_short_prompt_may_be_repeated_and_a_prompt_may_ask_for_what_would_be_odd():
    assert codes(asked("2 + 2 = 4", "2 + 2 =")) == []
    assert codes(asked("Lorem ipsum dolor sit amet, and so on.", "Give me some lorem ipsum text.")) == []
    german = "Ihr Geld ist schon auf dem Weg und wird in drei Tagen bei Ihnen sein."
    assert codes(asked(german, "Translate this: the money is on its way and will be with you soon.")) == []
    assert codes(asked(german, "How would you say that the money is on its way in German?")) == []


@given(st.sampled_from(sorted(KNOWN_CONTROLS)), st.text(alphabet="ab \n", max_size=20))
def test_every_known_control_token_is_seen_anywhere_in_a_text(token, around):
    assert "control_token" in codes(PlainText(around + token + around))


def test_the_control_tokens_are_those_of_the_model():
    text = PlainText("A <|im_end|> and a <fim_prefix>.")
    (seen,) = Linter(["<fim_prefix>"]).look(text)
    assert (seen.code, "<fim_prefix>" in seen.text) == ("control_token", True)
    assert codes(text, Linter([])) == []


def test_the_piece_that_shows_it_is_one_short_line_around_the_place():
    (seen,) = Linter().look(PlainText("word " * 500 + "broken \ufffd\nsign" + " word" * 500))
    assert "broken \ufffd sign" in seen.text
    assert "\n" not in seen.text
    assert len(seen.text) < 100


def test_an_oddity_is_told_once_a_row_and_all_turns_are_looked_at():
    turns = ["fine?", "A &amp; B &amp; C.", "And &lt;?", "Yes &gt;."]
    roles = ["user", "assistant", "user", "assistant"]
    row = Conversation(tuple(map(Message, roles, turns)))
    assert codes(row) == ["html_entity"]
    system = Conversation((Message("system", "Be kind.<|im_end|>"), *asked(GOOD).messages))
    assert codes(system) == ["control_token"]


def test_what_a_tool_is_called_with_is_looked_at():
    call = Message("assistant", "", (ToolCall("find", {"names": ["M\ufffdller"]}),))
    row = Conversation((Message("user", "Where is my bag?"), call))
    assert codes(row) == ["encoding_damage"]


def test_only_answers_that_are_learned_are_judged_as_answers():
    bad = "  TODO"
    assert codes(pair(GOOD, bad)) == []
    assert codes(pair(bad, GOOD)) == ["leading_space", "placeholder"]
    question = (Message("user", "Where is the refund?"),)
    assert codes(Unpaired(question, (Message("assistant", bad),), good=False)) == []
    assert codes(Unpaired(question, (Message("assistant", bad),), good=True)) == [
        "leading_space",
        "placeholder",
    ]
    assert codes(Prompt((Message("user", " Where?"),))) == codes(Labelled("TODO", ("x",))) == []


def test_a_pair_that_shows_hardly_a_preference_is_seen():
    assert codes(pair(LONG + "Yes.", LONG + "No.")) == ["much_alike"]
    assert codes(pair(GOOD, "No idea.")) == []
    assert codes(pair(GOOD, GOOD)) == []  # Refused elsewhere: it is no pair.


@given(st.text(), st.text(), st.text())
def test_any_text_can_be_looked_at_and_what_is_seen_stands_in_the_table(prompt, answer, other):
    for row in (asked(answer, prompt), pair(answer, other, prompt), PlainText(answer)):
        seen = Linter().look(row)
        assert seen == Linter().look(row)
        for item in seen:
            assert item.code in FINDINGS
            item.text.encode("utf-8")


@pytest.mark.parametrize("piece", ["://a", "a ", "`", "\\n", "&am", "<a", "Ã", "é”", "\u200d", "; ", "no "])
def test_a_long_hostile_text_is_looked_at_too(piece):
    assert set(codes(asked(piece * 200_000))) <= FINDINGS.keys()


def test_real_rows_have_no_damage_but_the_real_one():
    if not SHARED.is_dir():
        pytest.skip("the shared data is not here")
    alpaca = json.loads((SHARED / "alpaca_en_demo.json").read_text(encoding="utf-8"))
    rows = [asked(row["output"], f"{row['instruction']}\n\n{row['input']}".strip()) for row in alpaca]
    found = {code for row in rows for code in codes(row)}
    assert found == {"machine_phrase", "cut_answer"}
    pairs = json.loads((SHARED / "dpo_en_demo.json").read_text(encoding="utf-8"))
    damaged = [
        number
        for number, row in enumerate(pairs)
        if "encoding_damage"
        in codes(pair(row["chosen"]["value"], row["rejected"]["value"], row["conversations"][-1]["value"]))
    ]
    assert [
        number for number, row in enumerate(pairs) if "Ã©" in json.dumps(row, ensure_ascii=False)
    ] == damaged
