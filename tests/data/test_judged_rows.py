"""Preference pairs and single judgements: what is the prompt, and what is judged."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.check import check_example
from core.data.layouts import LAYOUTS, detect_layout, to_example
from core.data.rows import Place, Problem, RawRow
from core.models.examples import Preference
from serve.chat import Message

SHARED = Path(__file__).parents[2] / "../shared/data"
PLACE = Place("pairs.jsonl", 1)
SYSTEM, QUESTION, ANSWER, WORSE = (
    {"role": "system", "content": "S"},
    {"role": "user", "content": "Q"},
    {"role": "assistant", "content": "A"},
    {"role": "assistant", "content": "B"},
)
NEXT, ANSWER_2, WORSE_2 = (
    {"role": "user", "content": "Q2"},
    {"role": "assistant", "content": "A2"},
    {"role": "assistant", "content": "B2"},
)


def converted(value, layout="preference"):
    return to_example(RawRow(PLACE, value), LAYOUTS[layout], {})


def pair(prompt, chosen, rejected):
    return Preference(*(tuple(Message(**turn) for turn in turns) for turns in (prompt, chosen, rejected)))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"prompt": "Q", "chosen": "A", "rejected": "B"}, ([QUESTION], [ANSWER], [WORSE])),
        ({"prompt": [QUESTION], "chosen": [ANSWER], "rejected": [WORSE]}, ([QUESTION], [ANSWER], [WORSE])),
        ({"prompt": [QUESTION], "chosen": ANSWER, "rejected": WORSE}, ([QUESTION], [ANSWER], [WORSE])),
        (
            {"prompt": "Q", "chosen": "A", "rejected": "B", "system": "S"},
            ([SYSTEM, QUESTION], [ANSWER], [WORSE]),
        ),
        # The prompt is implied.
        ({"chosen": [QUESTION, ANSWER], "rejected": [QUESTION, WORSE]}, ([QUESTION], [ANSWER], [WORSE])),
        (
            {"chosen": [QUESTION, ANSWER, NEXT, ANSWER_2], "rejected": [QUESTION, ANSWER, NEXT, WORSE_2]},
            ([QUESTION, ANSWER, NEXT], [ANSWER_2], [WORSE_2]),
        ),
        # They part before the last answer.
        (
            {"chosen": [QUESTION, ANSWER, NEXT, ANSWER_2], "rejected": [QUESTION, WORSE, NEXT, ANSWER_2]},
            ([QUESTION], [ANSWER, NEXT, ANSWER_2], [WORSE, NEXT, ANSWER_2]),
        ),
        # The prompt is said, and said again by both answers.
        (
            {"prompt": "Q", "chosen": [QUESTION, ANSWER], "rejected": [QUESTION, WORSE]},
            ([QUESTION], [ANSWER], [WORSE]),
        ),
        (
            {"prompt": "Q", "chosen": [SYSTEM, QUESTION, ANSWER], "rejected": [SYSTEM, QUESTION, WORSE]},
            ([SYSTEM, QUESTION], [ANSWER], [WORSE]),
        ),
        (
            {"prompt": [SYSTEM, QUESTION], "chosen": [QUESTION, ANSWER], "rejected": [QUESTION, WORSE]},
            ([SYSTEM, QUESTION], [ANSWER], [WORSE]),
        ),
        (
            {
                "prompt": [QUESTION, ANSWER],
                "chosen": [NEXT, ANSWER_2],
                "rejected": [NEXT, WORSE_2],
            },
            ([QUESTION, ANSWER, NEXT], [ANSWER_2], [WORSE_2]),
        ),
        # ShareGPT.
        (
            {
                "conversations": [{"from": "human", "value": "Q"}],
                "chosen": {"from": "gpt", "value": "A"},
                "rejected": {"from": "gpt", "value": "B"},
            },
            ([QUESTION], [ANSWER], [WORSE]),
        ),
        (
            {"conversations": [{"from": "human", "value": "Q"}], "chosen": "A", "rejected": "B"},
            ([QUESTION], [ANSWER], [WORSE]),
        ),
        (
            {
                "chosen": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}],
                "rejected": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "B"}],
            },
            ([QUESTION], [ANSWER], [WORSE]),
        ),
        # As CSV holds it.
        (
            {"prompt": "Q", "chosen": json.dumps([ANSWER]), "rejected": json.dumps([WORSE])},
            ([QUESTION], [ANSWER], [WORSE]),
        ),
    ],
)
def test_what_both_answers_begin_with_is_the_prompt_and_nothing_is_said_twice(value, expected):
    assert detect_layout(RawRow(PLACE, value), {}).name == "preference"
    assert converted(value) == pair(*expected)
    assert check_example(converted(value), PLACE) is None


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"chosen": "A", "rejected": "B"}, "no_prompt"),
        ({"chosen": [ANSWER], "rejected": [WORSE]}, "no_prompt"),
        ({"chosen": [QUESTION, ANSWER], "rejected": [NEXT, WORSE]}, "no_prompt"),
        ({"prompt": "Q", "chosen": 3, "rejected": "B"}, "wrong_type"),
        ({"prompt": "Q", "chosen": [], "rejected": []}, "no_turns"),
        ({"prompt": "Q", "chosen": "A", "rejected": None}, "other_layout"),
    ],
)
def test_a_pair_without_a_prompt_or_with_half_an_answer_is_a_problem(value, code):
    problem = converted(value)
    assert isinstance(problem, Problem)
    assert problem.code == code
    if code == "no_prompt":
        assert "`columns: {prompt: instruction}`" in problem.fix


turns = st.lists(st.sampled_from(["a", "b"]), max_size=3)


@given(before=turns, chosen=turns, rejected=turns)
def test_prompt_and_answer_together_are_what_the_row_said(before, chosen, rejected):
    def talk(after):
        roles = ("user", "assistant")
        return [
            {"role": roles[n % 2], "content": text} for n, text in enumerate(["Q", *before, *after, "end"])
        ]

    example = converted({"chosen": talk(chosen), "rejected": talk(rejected)})
    assert [turn.to_dict() for turn in (*example.prompt, *example.chosen)] == talk(chosen)
    assert [turn.to_dict() for turn in (*example.prompt, *example.rejected)] == talk(rejected)
    assert example.prompt[-1].role == "user"
    assert example.chosen and example.rejected


def test_a_transcript_is_cut_at_its_speakers_and_nowhere_else():
    begin = "\n\nHuman: Who spoke?\n\nAssistant: Human: is a word here.\nHuman: too.\n\nHuman: And now?"
    example = converted(
        {"chosen": f"{begin}\n\nAssistant: You.", "rejected": f"{begin}\n\nAssistant: I."}, "transcripts"
    )
    assert example == Preference(
        (
            Message("user", "Who spoke?"),
            Message("assistant", "Human: is a word here.\nHuman: too."),
            Message("user", "And now?"),
        ),
        (Message("assistant", "You."),),
        (Message("assistant", "I."),),
    )


def test_a_transcript_may_stand_apart_from_its_endings():
    value = {"prompt": "\n\nHuman: Q\n\nAssistant:", "chosen": " A", "rejected": " B"}
    assert detect_layout(RawRow(PLACE, value), {}).name == "transcripts"
    assert converted(value, "transcripts") == pair([QUESTION], [ANSWER], [WORSE])


@pytest.mark.parametrize(
    ("chosen", "what"),
    [
        ("A", "is no transcript"),
        ("Talk:\n\nHuman: Q\n\nAssistant: A", "does not begin with a speaker"),
        (["A"], "is not a text"),
    ],
)
def test_a_text_that_is_no_transcript_is_a_problem(chosen, what):
    problem = converted({"chosen": chosen, "rejected": "\n\nHuman: Q\n\nAssistant: B"}, "transcripts")
    assert isinstance(problem, Problem)
    assert what in problem.what


@pytest.mark.parametrize(
    ("label", "good"),
    [
        (True, True),
        (1, True),
        ("TRUE ", True),
        ("1", True),
        (1.0, True),
        (False, False),
        (0, False),
        ("false", False),
    ],
)
def test_a_judgement_is_read_as_json_tables_and_csv_write_it(label, good):
    value = {"prompt": "Q", "completion": "A", "label": label}
    assert detect_layout(RawRow(PLACE, value), {}).name == "unpaired"
    assert converted(value, "unpaired").good is good


def read_shared(name):
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"../shared/data/{name} is not here")
    if name.endswith(".gz"):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("name", "layout", "problems"),
    [
        ("alpaca_en_demo.json", "alpaca", {}),
        ("dpo_en_demo.json", "preference", {}),
        # The set itself has two empty turns.
        ("hh_harmless_600.jsonl.gz", "transcripts", {"empty_turn": 2}),
    ],
)
def test_real_sets_are_recognised_and_read_whole(name, layout, problems):
    rows = [RawRow(Place(name, number), value) for number, value in enumerate(read_shared(name), 1)]
    detected = detect_layout(rows[0], {})
    assert detected.name == layout
    found = {}
    for raw in rows:
        example = to_example(raw, detected, {})
        problem = example if isinstance(example, Problem) else check_example(example, raw.place)
        if problem is not None:
            found[problem.code] = found.get(problem.code, 0) + 1
    assert found == problems


def test_of_a_real_transcript_nothing_is_lost():
    for value in read_shared("hh_harmless_600.jsonl.gz"):
        example = converted(value, "transcripts")
        for key, ending in (("chosen", example.chosen), ("rejected", example.rejected)):
            names = {"user": "Human", "assistant": "Assistant"}
            written = "".join(
                f"\n\n{names[turn.role]}: {turn.content}" for turn in (*example.prompt, *ending)
            )
            assert written.split() == value[key].split()
