"""Whether a passage bears out an answer: planted lies are seen, true answers pass."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.chunks import Chunk, cut_document
from rag.documents import Document, read_documents
from rag.facts import facts_of, names_of
from rag.rarity import Rarity
from rag.support import Support, check_support
from rag.words import clauses, sentences, telling

HANDBOOK = Path(__file__).parents[2] / "examples/support/handbook"
CHUNKS = [
    chunk
    for found in read_documents(HANDBOOK)
    if isinstance(found, Document)
    for chunk in cut_document(found, limit=1600)
]
RARITY = Rarity(chunk.text for chunk in CHUNKS)


def passage(heading: str) -> Chunk:
    return next(chunk for chunk in CHUNKS if chunk.headings[-1] == heading)


def check(heading: str, question: str, answer: str) -> Support:
    chunk = passage(heading)
    return check_support(question, answer, chunk.text, about=chunk.heading, rarity=RARITY)


TRUE = [
    ("Prices per night", "How much is a bunk in a dormitory?", "34 euros per night."),
    ("Prices per night", "What does a bed in a small room cost?", "A bed in a small room costs €47."),
    ("Prices per night", "How much is the visitor tax?", "It is 1.80 euros per night from the age of 16."),
    ("Prices per night", "Are meals included in the price?", "No, meals are not included."),
    ("When and how", "When can I book for the summer?", "Bookings open on February 1 at 9 am."),
    (
        "When and how",
        "How long can we stay in one hut?",
        "The longest stay in one hut is four nights in a row.",
    ),
    ("When and how", "Can I book online for 8 people?", "Yes, up to 8 people can be booked online."),
    ("When and how", "When may Cairn Card holders book?", "From 22 January, 10 days earlier than others."),
    ("Children", "Does High Fenn take children under 10?", "No, because the glacier path has fixed ladders."),
    ("Children", "Are cots free at Tarnsill?", "Yes, cots are free and must be requested 5 days ahead."),
    ("Waiting list", "When does the waiting list close?", "It closes at 12:00 on the day before arrival."),
    ("Choosing a place", "Can I reserve a bunk number?", "No, bunk numbers cannot be reserved."),
    ("Choosing a place", "Who gives out bunks?", "Bunk numbers are given out by the warden."),
]
LIES = [
    ("a number", "Prices per night", "How much is a bunk in a dormitory?", "43 euros per night."),
    ("another row's number", "Prices per night", "How much is a bunk in a dormitory?", "47 euros per night."),
    ("a currency", "Prices per night", "How much is the visitor tax?", "The visitor tax is 1.80 dollars."),
    ("yes for no", "Prices per night", "Are meals included in the price?", "Yes, meals are included."),
    ("a lost not", "Prices per night", "What about meals?", "Meals are included."),
    ("a month", "When and how", "When can I book for the summer?", "Bookings open on 1 March at 9 am."),
    ("a mixed date", "When and how", "When can I book for the summer?", "Bookings open on 1 January."),
    (
        "another date",
        "When and how",
        "When can I book for the summer?",
        "Summer bookings open on 22 January.",
    ),
    (
        "a unit",
        "When and how",
        "How long can we stay?",
        "The longest stay in one hut is four weeks in a row.",
    ),
    ("an added not", "When and how", "Is online booking free?", "Online booking is not free."),
    ("no for yes", "When and how", "Is online booking free?", "No, it costs a fee."),
    ("a name", "Children", "Where are cots?", "Cots exist only at Oxenlee."),
    ("yes to a refusal", "Children", "Does High Fenn take children under 10?", "Yes, High Fenn takes them."),
    ("a time", "Waiting list", "When does the list close?", "It closes at 14:00 on the day before arrival."),
    ("a not of another clause", "Choosing a place", "Can I choose?", "Yes, bunk numbers can be reserved."),
    (
        "things made up",
        "Children",
        "Are cots free?",
        "Cots are free, and breakfast is served in the library.",
    ),
]


@pytest.mark.parametrize(("heading", "question", "answer"), TRUE)
def test_a_true_answer_is_supported(heading: str, question: str, answer: str) -> None:
    assert check(heading, question, answer).doubts == ()


@pytest.mark.parametrize(("lie", "heading", "question", "answer"), LIES, ids=[entry[0] for entry in LIES])
def test_a_planted_lie_is_doubted(lie: str, heading: str, question: str, answer: str) -> None:
    assert not check(heading, question, answer).holds


def test_a_doubt_says_what_is_wrong() -> None:
    assert check("Prices per night", "What is a bunk?", "A bunk is 43 euros.").doubts == (
        "the passage does not say 43 euros",
    )
    lost = check("Waiting list", "How long is an offer open?", "The offer must be accepted within 6 days.")
    assert lost.doubts == ("the passage says 6 hours, not 6 days",)


def test_german_is_judged_by_the_same_rules() -> None:
    text = "Das Bad öffnet am 1. Mai um 9 Uhr. Der Eintritt kostet 4,50 Euro. Hunde sind nicht erlaubt."

    def holds(question: str, answer: str) -> bool:
        return check_support(question, answer, text, about="Freibad", rarity=Rarity()).holds

    assert holds("Wann öffnet das Bad?", "Das Bad öffnet am 1. Mai um 9:00 Uhr.")
    assert holds("Was kostet der Eintritt?", "Der Eintritt kostet 4,50 €.")
    assert holds("Sind Hunde erlaubt?", "Nein, Hunde sind nicht erlaubt.")
    assert not holds("Wann öffnet das Bad?", "Das Bad öffnet am 1. Juni um 9 Uhr.")
    assert not holds("Was kostet der Eintritt?", "Der Eintritt kostet 5,40 Euro.")
    assert not holds("Sind Hunde erlaubt?", "Ja, Hunde sind erlaubt.")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1,200 euros", "€1200.00"),
        ("1,80 €", "1.8 euros"),
        ("twelve nights", "12 nights"),
        ("6 p.m.", "18:00"),
        ("2024-02-01", "1 February 2024"),
        ("the 72-hour limit", "72 hours"),
        ("1 200 km", "1200 kilometres"),
    ],
)
def test_one_fact_in_two_spellings_is_one_fact(one: str, other: str) -> None:
    first, second = facts_of(one), facts_of(other)
    assert [(fact.value, fact.unit) for fact in first] == [(fact.value, fact.unit) for fact in second]
    assert len(first) == 1


def test_names_are_seen_inside_sentences_and_not_where_one_begins() -> None:
    assert names_of("Guests reach Tarnsill by bus. Cots exist at High Fenn.\n- Towels too") == [
        "Tarnsill",
        "High",
        "Fenn",
    ]


def test_sentences_end_at_full_stops_items_and_rows_but_not_at_abbreviations() -> None:
    assert list(
        sentences("Am 22. Januar zu. Dr. Smith comes at 6 p.m. on Monday. It is 9:00. Go!\n- one\n- two")
    ) == [
        "Am 22. Januar zu.",
        "Dr. Smith comes at 6 p.m. on Monday.",
        "It is 9:00.",
        "Go!",
        "- one",
        "- two",
    ]


@given(st.text())
def test_any_text_can_be_judged_and_agrees_with_itself_in_its_facts(text: str) -> None:
    found = check_support(text, text, text, about="", rarity=Rarity())
    assert 0.0 <= found.figure <= 1.0
    assert not any("does not say" in doubt for doubt in found.doubts)
    assert all(clause.strip() for sentence in sentences(text) for clause in clauses(sentence))


def claims() -> list[tuple[Chunk, str]]:
    """Every sentence of the handbook that says something, with its passage."""
    found = [(chunk, sentence.lstrip("-* ")) for chunk in CHUNKS for sentence in sentences(chunk.text)]
    return [
        (chunk, sentence) for chunk, sentence in found if len(telling(sentence)) > 2 and "|" not in sentence
    ]


def doubted(pairs: list[tuple[Chunk, str]]) -> float:
    """The share of answers that their passage is not found to bear out."""
    found = [
        check_support("What about it?", answer, chunk.text, about=chunk.heading, rarity=RARITY)
        for chunk, answer in pairs
    ]
    assert len(found) > 30
    return sum(not support.holds for support in found) / len(found)


def test_a_whole_handbook_bears_out_its_own_sentences_and_few_that_were_tampered_with() -> None:
    true = claims()
    numbers = [
        (chunk, re.sub(r"(?<![\d.:])\d+(?![.:\d])", "137", sentence, count=1)) for chunk, sentence in true
    ]
    swapped = [
        (chunk, sentence.replace(names_of(sentence)[0], "Wolkenheim"))
        for chunk, sentence in true
        if names_of(sentence)
    ]
    denied = [
        (chunk, re.sub(r"\b(is|are|can|must)\b(?! not)", r"\1 not", sentence, count=1))
        for chunk, sentence in true
        if not re.search(r"\b(not?|never|cannot|only|without)\b", sentence, re.IGNORECASE)
    ]
    held = {sentence for _, sentence in true}
    assert doubted(true) == 0.0
    for tampered in (numbers, swapped, denied):
        assert doubted([(chunk, answer) for chunk, answer in tampered if answer not in held]) > 0.95
