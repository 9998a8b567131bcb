"""What a row says decides which split it is in."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.split import split_rows
from core.models.dataset import Row
from core.models.examples import Conversation, example_id
from serve.chat import Message
from tunery.errors import DataError


def make(text: str, source: str = "a.jsonl", line: int = 1) -> Row:
    messages = (Message("user", text), Message("assistant", "A"))
    example = Conversation(messages)
    return Row(example_id(example), source, line, example)


def rows_of(texts, source="a.jsonl"):
    return [make(text, source, line) for line, text in enumerate(texts, 1)]


def where(splits):
    return {row.id: name for name, rows in splits.items() for row in rows}


many = st.lists(st.text(max_size=4), min_size=10, max_size=60)
shares = st.tuples(st.floats(0, 0.4), st.floats(0, 0.4))


@settings(deadline=None)
@given(texts=many, shares=shares, seed=st.integers(0, 99))
def test_every_row_lands_once_and_equal_rows_land_together(texts, shares, seed):
    rows = rows_of(texts)
    try:
        splits = split_rows(rows, validation=shares[0], test=shares[1], seed=seed)
    except DataError:
        return  # Too few distinct rows for the shares.
    assert sorted(row.line for part in splits.values() for row in part) == [row.line for row in rows]
    ids = [{row.id for row in part} for part in splits.values()]
    assert sum(len(part) for part in ids) == len(set.union(*ids))


@given(count=st.integers(10, 300), shares=shares, seed=st.integers(0, 99))
def test_distinct_rows_meet_the_shares_exactly(count, shares, seed):
    splits = split_rows(rows_of(map(str, range(count))), validation=shares[0], test=shares[1], seed=seed)
    for name, share in zip(("validation", "test"), shares, strict=True):
        assert len(splits[name]) == (max(1, round(count * share)) if share else 0)


@given(texts=st.lists(st.text(max_size=6), min_size=10, max_size=40, unique=True), data=st.data())
def test_order_and_names_of_files_change_nothing(texts, data):
    shuffled = data.draw(st.permutations(texts))
    first = split_rows(rows_of(texts), validation=0.2, test=0.2, seed=7)
    second = split_rows(rows_of(shuffled, "b.jsonl"), validation=0.2, test=0.2, seed=7)
    assert {n: [r.id for r in part] for n, part in first.items()} == {
        n: [r.id for r in part] for n, part in second.items()
    }


def test_another_seed_is_another_split():
    rows = rows_of(map(str, range(100)))
    one, two = (where(split_rows(rows, validation=0.1, test=0.1, seed=seed)) for seed in (1, 2))
    assert one != two


def test_more_rows_move_few_of_the_old_ones():
    old = rows_of(map(str, range(1000)))
    before = where(split_rows(old, validation=0.1, test=0.1, seed=7))
    after = where(
        split_rows([*old, *rows_of(map(str, range(1000, 1050)), "b")], validation=0.1, test=0.1, seed=7)
    )
    assert sum(before[row.id] != after[row.id] for row in old) < 40


def test_a_share_gets_at_least_one_row_and_too_few_rows_are_refused():
    splits = split_rows(rows_of("abc"), validation=0.1, test=0.1, seed=7)
    assert {name: len(part) for name, part in splits.items()} == {"train": 1, "validation": 1, "test": 1}
    with pytest.raises(DataError, match="leaves no rows for train"):
        split_rows(rows_of("ab"), validation=0.1, test=0.1, seed=7)
    with pytest.raises(DataError, match="leaves no rows for"):
        split_rows(rows_of("aaaaaa"), validation=0.1, test=0.1, seed=7)
    assert len(split_rows(rows_of("aa"), validation=0, test=0, seed=7)["train"]) == 2
