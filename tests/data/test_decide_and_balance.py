"""Which rows are kept, and how often training sees each of them."""

import pytest

from core.data.balance import Balanced, balance_training, replay_rows
from core.data.decide import decide, leave_out_leaks
from core.data.split import divide
from core.recipe.data import Balance, Clean, Leakage, Replay, Split
from tunery.errors import DataError

OFF = Leakage(enabled=False)


class Groups:
    """Near-duplicates as somebody else found them: ordinals from 0."""

    def __init__(self, *pairs):
        self.pairs = pairs

    def groups(self, _):
        yield from self.pairs


def kept(ledger):
    return [number for (number,) in ledger.ask("SELECT n FROM rows WHERE fate IS NULL ORDER BY n")]


def test_duplicates_are_counted_and_only_dropped_when_asked(fill):
    ledger = fill(["a", "b", "a", "a", "c"])
    (duplicates, _) = decide(Clean(leakage=OFF), ledger, None, ("conversation",), 3)
    assert (duplicates.count, duplicates.dropped) == (2, False)
    assert [(twin.line, twin.first_line) for twin in duplicates.examples] == [(3, 1), (4, 1)]
    assert kept(ledger) == [1, 2, 3, 4, 5]


def test_of_duplicates_the_first_is_kept(fill):
    ledger = fill(["a", "b", "a", "a", "c"])
    decide(Clean(leakage=OFF, duplicates="drop"), ledger, None, ("conversation",), 3)
    assert kept(ledger) == [1, 2, 5]
    assert ledger.one("SELECT fate FROM rows WHERE n = 3") == "duplicate"


def test_one_prompt_with_two_answers_is_a_contradiction_and_with_one_answer_none(fill):
    ledger = fill(["yes", "yes"], prompt="may I?")
    fill(["no", "no"], prompt="may I?", source=1)
    fill(["no"], prompt="must I?", source=1)
    (_, contradictions) = decide(
        Clean(leakage=OFF, contradictions="drop"), ledger, None, ("conversation", "conversation"), 3
    )
    assert contradictions.by_source == {1: 2}
    assert kept(ledger) == [1, 2, 5]


def test_pairs_that_share_a_prompt_contradict_nothing(fill):
    ledger = fill(["one pair", "another pair"], prompt="the same")
    (_, contradictions) = decide(Clean(leakage=OFF), ledger, None, ("preference",), 3)
    assert contradictions.count == 0


def test_of_near_duplicates_the_first_that_is_left_is_kept(fill):
    ledger = fill(["a", "a", "a!", "b", "a?"])
    clean = Clean(leakage=OFF, duplicates="drop", near_duplicates=0.8)
    (_, _, near) = decide(clean, ledger, Groups((1, 0), (2, 0), (4, 0)), ("text",), 3)
    assert near.count == 2
    assert kept(ledger) == [1, 4]


def test_training_rows_that_are_nearly_test_rows_are_left_out(fill):
    ledger = fill([f"row {number}" for number in range(8)])
    fill(["row 3", "nearly row 5"], role="test", source=1)
    decide(Clean(), ledger, Groups((9, 5)), ("text", "text"), 3)
    assert leave_out_leaks(ledger, 3) == (2, ((0, 4), (0, 6)))
    assert kept(ledger) == [1, 2, 3, 5, 7, 8, 9, 10]


def test_the_leader_of_a_group_does_not_depend_on_the_order_of_files(fill, ledger):
    texts = ["a", "b", "c"]
    fill(texts)
    decide(Clean(), ledger, Groups((1, 0), (2, 0)), ("text",), 3)
    leads = {lead for (lead,) in ledger.ask("SELECT lead FROM rows")}
    lowest = ledger.one("SELECT n FROM rows ORDER BY draw LIMIT 1")
    assert leads == {lowest}


# How often rows are seen.


def copies(ledger):
    return dict(ledger.ask("SELECT n, copies FROM walk WHERE split = 'train'"))


def balanced(ledger, section, weights=None, origins=(0,)):
    divide(Split(validation=0, test=0), ledger)
    return balance_training(section, weights or {}, origins, ledger)


def test_without_wishes_every_row_is_seen_once(fill):
    ledger = fill(["a", "b", "c"])
    assert balanced(ledger, Balance()) == Balanced(3, 0, 0)
    assert copies(ledger) == {1: 1, 2: 1, 3: 1}


@pytest.mark.parametrize("weight", [0.1, 0.5, 1, 1.5, 3])
def test_a_weight_takes_about_that_many_copies(fill, weight):
    ledger = fill([str(number) for number in range(400)])
    seen = balanced(ledger, Balance(), {0: weight})
    assert seen.seen == 400 * weight
    assert set(copies(ledger).values()) <= {int(weight), int(weight) + 1}


def test_a_small_weight_still_takes_a_row_of_its_source(fill):
    ledger = fill([f"a {n}" for n in range(50)], source=0)
    fill([f"b {n}" for n in range(8)], source=1)
    divide(Split(validation=0, test=0), ledger)
    balance_training(Balance(), {0: 1.0, 1: 0.05}, (0, 1), ledger)
    assert sum(copies(ledger)[number] for number in range(51, 59)) == 1


def test_groups_that_no_row_names_are_refused(fill):
    with pytest.raises(DataError, match="no row has a label"):
        balanced(fill(["a", "b"]), Balance(by="label"))


def test_replayed_rows_are_never_nearly_held_out_rows(fill):
    ledger = fill([f"new {n}" for n in range(40)])
    fill([f"old {n}" for n in range(3)], role="replay", source=1)
    divide(Split(validation=0.2, test=0.2), ledger)
    held = next(n for n, split in ledger.ask("SELECT n, split FROM walk") if split == "test")
    ledger.do("UPDATE rows SET lead = ? WHERE n = 41", held)
    assert replay_rows(Replay(run="before", share=0.5), ledger) == (24, 2)


def test_small_groups_are_repeated_up_to_the_largest(fill):
    ledger = fill([f"big {n}" for n in range(40)], label="big")
    fill([f"small {n}" for n in range(10)], label="small")
    assert balanced(ledger, Balance(by="label", to="largest")) == Balanced(80, 0, 10)
    assert {copies(ledger)[number] for number in range(41, 51)} == {4}


def test_large_groups_are_thinned_down_to_the_smallest(fill):
    ledger = fill([f"big {n}" for n in range(400)], task="big")
    fill([f"small {n}" for n in range(100)], task="small")
    seen = balanced(ledger, Balance(by="task", to="smallest"))
    copies_of = copies(ledger)
    assert all(copies_of[number] == 1 for number in range(401, 501))
    assert seen == Balanced(200, 300, 0)


def test_a_cap_holds_for_every_group(fill):
    ledger = fill([f"a {n}" for n in range(30)], label="a")
    fill([f"b {n}" for n in range(5)], label="b")
    assert balanced(ledger, Balance(by="label", cap=8)).seen == 13


def test_temperature_brings_sources_nearer_to_each_other(fill):
    ledger = fill([f"a {n}" for n in range(100)], source=0)
    fill([f"b {n}" for n in range(25)], source=1)
    assert balanced(ledger, Balance(temperature=1.0), origins=(0, 1)).seen == 125
    seen = balanced(ledger, Balance(temperature=2.0), origins=(0, 1)).seen
    # 25 rows are wanted as 100 * (25 / 100) ** (1 / 2) = 50.
    assert seen == 150


def test_replayed_rows_are_the_wanted_share_and_never_held_out_rows(fill):
    ledger = fill([f"new {n}" for n in range(90)])
    fill([f"old {n}" for n in range(50)], role="replay", source=1)
    divide(Split(validation=0.1, test=0.1), ledger)
    held = next(ledger.ask("SELECT rows.key FROM walk JOIN rows ON rows.n = walk.n WHERE split = 'test'"))[0]
    ledger.do("UPDATE rows SET key = ? WHERE n = 91", held)
    assert replay_rows(Replay(run="before", share=0.2), ledger) == (18, 18)
    replayed = {n for (n,) in ledger.ask("SELECT n FROM walk WHERE split = 'train' AND n > 90")}
    assert len(replayed) == 18
    assert 91 not in replayed


def test_what_balance_cannot_mean_is_refused():
    with pytest.raises(ValueError, match="need `by`"):
        Balance(cap=3)
    with pytest.raises(ValueError, match="both limit the groups"):
        Balance(by="label", cap=3, to="smallest")
    with pytest.raises(ValueError, match="keep one"):
        Balance(by="label", temperature=2.0)
