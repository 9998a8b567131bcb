"""Rows that are nearly the same are found among many, by the first of them."""

import json
import random
from collections import Counter, defaultdict
from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.similar import buckets, forest, near, shelf
from core.data.similar.forest import Forest
from core.data.similar.near import NearDuplicates
from core.data.similar.sketch import SKETCH_BYTES, Sketcher
from core.data.similar.words import words_of

SHARED = Path(__file__).resolve().parents[2] / "../shared/data"


def search(folder, texts):
    found = NearDuplicates(folder)
    ordinals = [found.add(each) for each in Sketcher().sketch(texts)]
    assert ordinals == list(range(len(texts)))
    return found


def text_of(count, seed):
    draw = random.Random(seed)
    return " ".join(f"w{draw.randrange(3000)}" for _ in range(count))


def swapped(text, places, seed):
    draw = random.Random(seed)
    words = text.split()
    for at in draw.sample(range(len(words)), places):
        words[at] = f"other{draw.randrange(10**6)}"
    return " ".join(words)


def triples(text):
    words = words_of(text)
    return {tuple(words[at : at + 3]) for at in range(max(1, len(words) - 2))}


def similar(left, right):
    return len(left & right) / len(left | right)


def test_a_row_is_grouped_with_the_first_that_says_nearly_the_same(tmp_path):
    first, other = text_of(60, 1), text_of(60, 2)
    texts = [other, first, text_of(60, 3), first.upper(), swapped(first, 1, 0) + ".", other]
    assert list(search(tmp_path, texts).groups(0.8)) == [(3, 1), (4, 1), (5, 0)]


def test_rows_are_one_group_when_a_chain_of_near_duplicates_joins_them(tmp_path):
    chain = [text_of(60, 1)]
    for step in range(5):
        chain.append(swapped(chain[-1], 1, step))
    assert similar(triples(chain[0]), triples(chain[-1])) < 0.8
    texts = [*reversed(chain), text_of(60, 2)]
    assert list(search(tmp_path, texts).groups(0.8)) == [(row, 0) for row in range(1, 6)]


def test_empty_rows_are_one_group_and_no_rows_are_none(tmp_path):
    assert list(search(tmp_path / "none", []).groups(0.8)) == []
    assert list(search(tmp_path / "some", ["", "a b c d", " ", "..."]).groups(0.8)) == [(2, 0)]


def test_a_higher_similarity_finds_fewer_rows_and_rows_may_come_in_between(tmp_path):
    first = text_of(60, 1)
    found = search(tmp_path, [first, swapped(first, 1, 0)])
    assert list(found.groups(0.95)) == []
    assert list(found.groups(0.8)) == [(1, 0)]
    found.add(Sketcher().sketch([first])[0])
    assert list(found.groups(1.0)) == [(2, 0)]
    assert list(found.groups(0.8)) == [(1, 0), (2, 0)]


def test_a_search_leaves_nothing_behind_even_when_it_is_given_up(tmp_path):
    found = search(tmp_path, ["same text here"] * 5)
    begun = found.groups(0.8)
    assert next(begun) == (1, 0)
    begun.close()
    assert [path.name for path in tmp_path.iterdir()] == ["sketches"]


def test_what_is_no_sketch_is_not_taken(tmp_path):
    with pytest.raises(ValueError, match=f"{SKETCH_BYTES} bytes"):
        NearDuplicates(tmp_path).add(b"short")


def test_memory_for_few_rows_at_a_time_finds_the_same_groups(tmp_path, monkeypatch):
    texts = [text_of(30, seed) for seed in range(200)]
    texts += [swapped(text, seed % 4, seed) for seed, text in enumerate(texts)]
    groups = {name: list(search(tmp_path / str(name), texts).groups(name)) for name in (0.6, 0.8)}
    monkeypatch.setattr(buckets, "PART", 32)
    monkeypatch.setattr(near, "PART", 32)
    monkeypatch.setattr(near, "MOST_PARTS", 100)
    monkeypatch.setattr(near, "_PAIRS", 50)
    monkeypatch.setattr(shelf, "_CHUNK", 50)
    monkeypatch.setattr(shelf, "_MAPPED", 7)
    monkeypatch.setattr(shelf, "_PENDING_BYTES", 3 * SKETCH_BYTES)
    monkeypatch.setattr(forest, "_CHUNK", 50)
    for name, expected in groups.items():
        assert len(expected) > 50
        assert list(search(tmp_path / f"small {name}", texts).groups(name)) == expected


def test_a_template_in_every_row_costs_a_bounded_number_of_comparisons_and_hides_no_duplicate(
    tmp_path, monkeypatch
):
    compared = []
    compare = NearDuplicates._compare

    def counted(self, left, right):
        compared.append(len(left))
        return compare(self, left, right)

    monkeypatch.setattr(NearDuplicates, "_compare", counted)
    template = text_of(30, 1)
    texts = [f"{template} {text_of(15, seed)}" for seed in range(2, 4002)]
    texts += [swapped(text, 1, 0) for text in texts[:200]]
    pairs = {
        (4000 + row, row): similar(triples(texts[4000 + row]), triples(texts[row])) for row in range(200)
    }
    wanted = {pair for pair, share in pairs.items() if share >= 0.8}
    found = set(search(tmp_path, texts).groups(0.8))
    assert len(wanted) > 100
    assert len(found & wanted) > 0.95 * len(wanted)
    assert len(found - wanted) < 0.05 * len(wanted)
    # All pairs would be 8.8 million.
    assert sum(compared) < 40 * len(texts)


def test_a_hundred_thousand_copies_cost_no_comparison_at_all(tmp_path, monkeypatch):
    compared = []
    monkeypatch.setattr(NearDuplicates, "_compare", lambda self, left, _: compared.extend(left) or left)
    found = NearDuplicates(tmp_path)
    for each in Sketcher().sketch(["What can I do for you?", ""]) * 50_000:
        found.add(each)
    assert list(found.groups(0.8)) == [(row, row % 2) for row in range(2, 100_000)]
    assert compared == []


@given(st.integers(1, 30), st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=40))
def test_groups_are_what_pairs_connect_and_the_earliest_row_leads(tmp_path_factory, count, pairs):
    pairs = [(left % count, right % count) for left, right in pairs]
    leads = list(range(count))
    for _ in range(count):
        for left, right in pairs:
            leads[left] = leads[right] = min(leads[left], leads[right])
    grown = Forest(tmp_path_factory.mktemp("forest") / "groups", count)
    half = len(pairs) // 2
    for part in (pairs[:half], pairs[half:]):
        left, right = (np.array([pair[side] for pair in part], np.uint32) for side in (0, 1))
        grown.unite(left, right)
    assert list(grown.followers()) == [(row, lead) for row, lead in enumerate(leads) if row != lead]


def edits(text, draw):
    """Planted near-duplicates: words exchanged, case and punctuation, a sentence added."""
    words = text.split()
    for _ in range(draw.choice((0, 1, 1, 2, 3))):
        words[draw.randrange(len(words))] = draw.choice(("indeed", "perhaps", "Paris", "seven"))
    changed = " ".join(words)
    changed = draw.choice((str, str.upper, lambda text: text.replace(".", "!").replace(",", " -")))(changed)
    return draw.choice(("", "", "", "Sure! Here it is. ")) + changed


@cache
def real_rows():
    """Real rows, an edited copy of each, and the exact similarity of all pairs with a common triple."""
    draw = random.Random(7)
    rows = json.loads((SHARED / "alpaca_en_demo.json").read_text(encoding="utf-8"))
    texts = [f"{row['instruction']}\n{row['input']}\n{row['output']}" for row in rows]
    texts += [edits(text, draw) for text in texts]
    holders = defaultdict(list)
    for row, text in enumerate(texts):
        for triple in triples(text):
            holders[triple].append(row)
    shared = Counter(pair for rows in holders.values() for pair in combinations(rows, 2))
    sizes = [len(triples(text)) for text in texts]
    pairs = {(row, lead): both / (sizes[row] + sizes[lead] - both) for (lead, row), both in shared.items()}
    return texts, pairs


@pytest.mark.skipif(not SHARED.is_dir(), reason="shared/data is not beside the repository")
@pytest.mark.parametrize("similarity", [0.8, 0.85, 0.9, 0.95])
def test_on_real_rows_with_planted_edits_nearly_all_are_found_and_nearly_nothing_else(tmp_path, similarity):
    texts, pairs = real_rows()
    true = {pair for pair, share in pairs.items() if share >= similarity}
    leads = dict(search(tmp_path, texts).groups(similarity))
    found = {(row, lead) for row, lead in true if leads.get(row) == leads.get(lead, lead)}
    assert len(true) > 300
    assert len(found) >= 0.95 * len(true)
    right = sum(1 for row, lead in leads.items() if (row, lead) in true)
    assert right >= 0.95 * len(leads)
