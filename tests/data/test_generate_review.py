"""A person decides on proposed rows, and training takes what was accepted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.data.generate.journal import locked
from core.data.generate.review import open_review
from core.data.generate.state import state_problem
from core.data.rows import Place, RawRow
from tunery.errors import BadInput, DataError, NotThere

PASSAGE = "Cots are free.\u2028They exist only at Tarnsill and must be requested 5 days ahead."


def row(number: int, state: str = "proposed") -> dict[str, Any]:
    return {
        "messages": [
            {"role": "user", "content": f"Question {number}?"},
            {"role": "assistant", "content": "Cots are free."},
        ],
        "source": {
            **{"document": "huts.md", "title": "Huts", "heading": "Huts > Cots"},
            **{"start": 10, "end": 10 + len(PASSAGE), "text": PASSAGE},
        },
        "support": 1.0,
        "state": state,
        "kind": "fact",
        "ask": f"{number:016}",
        "model": "canned",
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.jsonl"
    lines = [json.dumps(row(number), ensure_ascii=False) for number in range(3)]
    # A person's own spacing, and an empty line, are theirs.
    path.write_text(f"{lines[0]}\n\n  {lines[1]}\n{lines[2]}\n", encoding="utf-8")
    return path


def states(path: Path) -> list[str]:
    return [json.loads(line)["state"] for line in path.read_bytes().split(b"\n") if line.strip()]


def test_each_decision_is_in_the_file_at_once_and_changes_no_other_line(file: Path) -> None:
    before = file.read_bytes().split(b"\n")
    with open_review(file) as review:
        assert review.counts() == {"proposed": 3, "accepted": 0, "rejected": 0}
        assert [proposal.line for proposal in review.waiting()] == [1, 3, 4]
        review.accept(1)
        assert states(file) == ["accepted", "proposed", "proposed"]
        review.reject(4)
        assert states(file) == ["accepted", "proposed", "rejected"]
        assert [proposal.line for proposal in review.waiting()] == [3]
        assert review.counts() == {"proposed": 1, "accepted": 1, "rejected": 1}
    after = file.read_bytes().split(b"\n")
    assert (after[1], after[2]) == (before[1], before[2])
    with open_review(file) as review:
        assert [proposal.state for proposal in review.rows] == ["accepted", "proposed", "rejected"]


def test_a_person_sees_the_passage_beside_the_pair(file: Path) -> None:
    with open_review(file) as review:
        first = next(review.waiting())
    assert (first.question, first.answer) == ("Question 0?", "Cots are free.")
    assert (first.document, first.heading, first.passage) == ("huts.md", "Huts > Cots", PASSAGE)
    assert (first.start, first.end, first.support) == (10, 10 + len(PASSAGE), 1.0)


def test_going_through_the_rows_and_deciding_visits_each_once(file: Path) -> None:
    with open_review(file) as review:
        for proposal in review.waiting():
            review.accept(proposal.line)
        assert list(review.waiting()) == []
    assert states(file) == ["accepted"] * 3


def test_an_edit_is_checked_against_the_passage_and_the_person_has_the_last_word(file: Path) -> None:
    with open_review(file) as review:
        good = review.edit(3, question=" Where are cots? ", answer="Cots exist only at Tarnsill.")
        assert (good.question, good.doubts, good.state) == ("Where are cots?", (), "proposed")
        bad = review.edit(3, question="Where are cots?", answer="Cots exist only at Oxenlee.")
        assert bad.doubts == ("the passage does not name Oxenlee",)
        assert bad.support < 1.0
        review.accept(3)
        with pytest.raises(BadInput, match="both need words"):
            review.edit(3, question="Where?", answer=" … ")
        with pytest.raises(BadInput, match="no row on line 2"):
            review.accept(2)
    changed = json.loads(file.read_bytes().split(b"\n")[2])
    assert changed["messages"][1]["content"] == "Cots exist only at Oxenlee."
    assert (changed["state"], changed["edited"]) == ("accepted", True)


def test_a_file_that_is_being_written_or_is_none_is_refused(file: Path, tmp_path: Path) -> None:
    with locked(file), pytest.raises(BadInput, match="in use"), open_review(file):
        pass
    with pytest.raises(NotThere, match="tunery data generate"), open_review(tmp_path / "no.jsonl"):
        pass
    other = tmp_path / "other.jsonl"
    other.write_text('{"text": "a"}\n')
    with pytest.raises(DataError, match="line 1"), open_review(other):
        pass


def test_training_takes_only_what_a_person_accepted() -> None:
    place = Place("pairs.jsonl", 7)
    assert state_problem(RawRow(place, row(1, "accepted"))) is None
    proposed = state_problem(RawRow(place, row(1)))
    assert proposed is not None and proposed.code == "proposed"
    assert str(proposed) == (
        "pairs.jsonl line 7: a model proposed this row and nobody has accepted it; "
        "look at it with `tunery data review pairs.jsonl`"
    )
    rejected = state_problem(RawRow(place, row(1, "rejected")))
    assert rejected is not None and rejected.code == "rejected"
    unknown = state_problem(RawRow(place, row(1, "")))
    assert unknown is not None and unknown.code == "proposed"


@pytest.mark.parametrize(
    "value",
    [
        {"messages": [], "state": "proposed"},
        {"messages": [], "state": "CA", "source": "web"},
        {"prompt": "a", "completion": "b", "state": "proposed", "source": {"document": "x"}},
        {"messages": [], "source": {"document": "x"}},
    ],
)
def test_a_column_that_happens_to_be_called_state_is_the_users_own(value: dict[str, Any]) -> None:
    assert state_problem(RawRow(Place("a.jsonl", 1), value)) is None
