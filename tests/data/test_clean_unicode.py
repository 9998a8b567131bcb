"""Letters in one form and nothing invisible, and nothing lost that anybody can see."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.clean.unicode_form import tidy

HARD = st.text(
    alphabet=st.one_of(
        st.sampled_from(
            "ae\u0301\u00ad\u200b\u200c\u200d\u200e\u202e\u2060\ufeff\ufe0f👩🏴\U000e0067\U000e007fمक्ⒶﬁＡ゙か"
        ),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=30,
)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("cafe\u0301", "café"),
        ("re\u00adfund", "refund"),
        ("a\u200bb\u2060c", "abc"),
        ("\ufeffstart", "start"),
        ("user\u202egnp.exe\u202c", "usergnp.exe"),
        ("a\u200db \u200c c", "ab  c"),
        ("hidden\U000e0068\U000e0069", "hidden"),
        ("e\u200b\u0301", "é"),
    ],
)
def test_invisible_characters_go_and_letters_compose(text, clean):
    assert tidy(text, "nfc") == clean


@pytest.mark.parametrize(
    "text",
    [
        "👩\u200d👩\u200d👧\u200d👦 and 🏳\ufe0f\u200d🌈 and 👩🏽\u200d🚀",
        "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        "می\u200cخواهم",
        "क्\u200dष and क्\u200cष",
        "ភាសា\u200bខ្មែរ",
        "naïve Ångström № ½ ﬁ",
    ],
)
def test_joiners_that_mean_something_stay(text):
    assert tidy(text, "nfc") == unicodedata.normalize("NFC", text)


def test_compatible_letters_become_plain_ones_only_where_asked():
    assert tidy("ﬁne ＡＢＣ ½\u00a0kg", "nfc") == "ﬁne ＡＢＣ ½\u00a0kg"
    assert tidy("ﬁne ＡＢＣ ½\u00a0kg", "nfkc") == "fine ABC 1⁄2 kg"


@given(HARD, st.sampled_from(["nfc", "nfkc"]))
def test_doing_it_twice_changes_nothing_more(text, form):
    once = tidy(text, form)
    assert tidy(once, form) == once
    assert unicodedata.is_normalized(form.upper(), once)


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "Z", "S"])))
def test_whatever_can_be_seen_stays(text):
    kept = "".join(sign for sign in text if sign not in "\u180e")
    assert tidy(text, "nfc") == unicodedata.normalize("NFC", kept)
