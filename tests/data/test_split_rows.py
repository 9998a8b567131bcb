"""What a row says decides which split it is in."""

import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.examine import draw_of
from core.data.ledger import Entry, Ledger, signed
from core.data.split import divide
from core.recipe.data import Split
from tunery.errors import DataError
from tunery.hashes import sha256_text


def split_rows(texts, *, validation, test, seed=7, leads=()):
    """Split name -> texts, in the order in which they are written. `leads` are (row, first of its group)."""
    texts = list(texts)
    with tempfile.TemporaryDirectory() as folder, closing(Ledger(Path(folder) / "ledger.db")) as ledger:
        ledger.add(_entry(text, line, seed) for line, text in enumerate(texts, 1))
        for number, lead in leads:
            ledger.do("UPDATE rows SET lead = ? WHERE n = ?", lead, number)
        divide(Split(validation=validation, test=test, seed=seed), ledger)
        found = {"train": [], "validation": [], "test": []}
        for number, name in ledger.ask("SELECT n, split FROM walk ORDER BY at"):
            found[name].append(texts[number - 1])
        return found


def _entry(text, line, seed):
    row_id = sha256_text(text)[:16]
    return Entry(0, "pool", line, signed(row_id), 0, draw_of(row_id, seed), 0, None, None, "{}")


def where(splits):
    return {text: name for name, texts in splits.items() for text in texts}


many = st.lists(st.text(max_size=4), min_size=10, max_size=60)
shares = st.tuples(st.floats(0, 0.4), st.floats(0, 0.4))


@settings(deadline=None)
@given(texts=many, shares=shares, seed=st.integers(0, 99))
def test_every_row_lands_once_and_equal_rows_land_together(texts, shares, seed):
    try:
        splits = split_rows(texts, validation=shares[0], test=shares[1], seed=seed)
    except DataError:
        return  # Too few distinct rows for the shares.
    assert sorted(text for part in splits.values() for text in part) == sorted(texts)
    distinct = [set(part) for part in splits.values()]
    assert sum(map(len, distinct)) == len(set.union(*distinct))


@settings(deadline=None)
@given(count=st.integers(10, 300), shares=shares, seed=st.integers(0, 99))
def test_distinct_rows_meet_the_shares_exactly(count, shares, seed):
    splits = split_rows(map(str, range(count)), validation=shares[0], test=shares[1], seed=seed)
    for name, share in zip(("validation", "test"), shares, strict=True):
        assert len(splits[name]) == (max(1, round(count * share)) if share else 0)


@settings(deadline=None)
@given(texts=st.lists(st.text(max_size=6), min_size=10, max_size=40, unique=True), data=st.data())
def test_the_order_of_rows_changes_nothing(texts, data):
    shuffled = data.draw(st.permutations(texts))
    assert split_rows(texts, validation=0.2, test=0.2) == split_rows(shuffled, validation=0.2, test=0.2)


def test_another_seed_is_another_split():
    texts = [str(number) for number in range(100)]
    one, two = (where(split_rows(texts, validation=0.1, test=0.1, seed=seed)) for seed in (1, 2))
    assert one != two


def test_more_rows_move_few_of_the_old_ones():
    old = [str(number) for number in range(1000)]
    before = where(split_rows(old, validation=0.1, test=0.1))
    after = where(split_rows([*old, *map(str, range(1000, 1050))], validation=0.1, test=0.1))
    assert sum(before[text] != after[text] for text in old) < 40


def test_near_duplicates_go_where_the_first_of_their_group_goes():
    texts = [str(number) for number in range(100)]
    plain = where(split_rows(texts, validation=0.2, test=0.2))
    lead = next(number for number, text in enumerate(texts, 1) if plain[text] == "test")
    followers = [number for number, text in enumerate(texts, 1) if plain[text] == "train"][:5]
    grouped = where(
        split_rows(texts, validation=0.2, test=0.2, leads=[(number, lead) for number in followers])
    )
    assert len({grouped[texts[number - 1]] for number in (lead, *followers)}) == 1


def test_a_share_gets_at_least_one_row_and_too_few_rows_are_refused():
    splits = split_rows("abc", validation=0.1, test=0.1)
    assert {name: len(part) for name, part in splits.items()} == {"train": 1, "validation": 1, "test": 1}
    with pytest.raises(DataError, match="leaves no rows for train"):
        split_rows("ab", validation=0.1, test=0.1)
    with pytest.raises(DataError, match="leaves no rows for"):
        split_rows("aaaaaa", validation=0.1, test=0.1)
    assert len(split_rows("aa", validation=0, test=0)["train"]) == 2
