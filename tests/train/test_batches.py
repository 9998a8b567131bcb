from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

from core.models.dataset import TokenRow
from core.models.load import load_model
from core.train.batches import PASS_COST, LikeLengthBatches, PaddingCollator, cut_by_length
from core.train.loss import sum_cross_entropy


def lengths(rows: int = 203) -> list[int]:
    return np.random.default_rng(0).integers(5, 400, rows).tolist()


def row(length: int, first_trained: int, start: int = 5) -> TokenRow:
    return TokenRow(np.arange(start, start + length, dtype=np.int32), np.arange(length) >= first_trained)


def test_every_epoch_has_every_row_once() -> None:
    batches = LikeLengthBatches(lengths(), 8, seed=7, steps=52)
    for epoch in range(2):
        seen = [number for step in range(26) for number in batches.batch(epoch * 26 + step)]
        assert sorted(seen) == list(range(203))


def test_the_order_depends_on_the_seed_and_the_epoch_alone() -> None:
    def order(seed: int) -> list[list[int]]:
        return list(LikeLengthBatches(lengths(), 8, seed=seed, steps=52))

    assert order(7) == order(7)
    assert order(7) != order(8)
    assert order(7)[:26] != order(7)[26:]


def test_any_step_can_be_the_first() -> None:
    whole = list(LikeLengthBatches(lengths(), 8, seed=7, steps=60))
    late = LikeLengthBatches(lengths(), 8, seed=7, steps=60)
    assert [late.batch(step) for step in range(41, 60)] == whole[41:]


def test_small_data_is_batched_anew_in_every_epoch() -> None:
    batches = LikeLengthBatches(lengths(160), 8, seed=7, steps=40)
    first, second = (
        {tuple(sorted(batches.batch(epoch * 20 + step))) for step in range(20)} for epoch in (0, 1)
    )
    assert len(first & second) < 5


def test_batches_hold_rows_of_like_length() -> None:
    of = np.array(lengths(2000))
    batches = list(LikeLengthBatches(of.tolist(), 8, seed=7, steps=250))
    padding = sum(of[batch].max() * len(batch) - of[batch].sum() for batch in batches) / of.sum()
    assert padding < 0.06


@given(some.lists(some.integers(1, 600), min_size=1, max_size=32), some.integers(64, 4096))
def test_a_division_keeps_all_rows_in_order_and_every_pass_within_its_tokens(
    rows: list[int], most: int
) -> None:
    rows.sort()
    cuts = cut_by_length(rows, most)
    assert [number for start, end in cuts for number in range(start, end)] == list(range(len(rows)))
    assert all((end - start) * rows[end - 1] <= most or end - start == 1 for start, end in cuts)


@given(some.lists(some.integers(1, 400), min_size=1, max_size=9))
def test_no_other_division_costs_less(rows: list[int]) -> None:
    rows.sort()

    def cost(cuts: list[tuple[int, int]]) -> int:
        return sum((end - start) * rows[end - 1] + PASS_COST for start, end in cuts)

    def every_division(start: int) -> list[list[tuple[int, int]]]:
        if start == len(rows):
            return [[]]
        ends = range(start + 1, len(rows) + 1)
        return [[(start, end), *rest] for end in ends for rest in every_division(end)]

    assert cost(cut_by_length(rows, 10**6)) == min(cost(cuts) for cuts in every_division(0))


def test_targets_are_the_trained_tokens_and_nothing_else() -> None:
    rows = [row(9, 4), row(30, 0, start=100), row(12, 11, start=300)]
    batch = PaddingCollator(tokens_per_pass=64)(rows)
    targets = sorted(token for micro in batch.micro for token in micro.targets.tolist())
    # The first token of a row cannot be a target: nothing predicts it.
    wanted = [token for item in rows for token in item.ids[1:][item.trained[1:]].tolist()]
    assert targets == sorted(wanted)
    assert (batch.tokens, batch.trained, batch.masked) == (51, len(wanted), 51 - len(wanted))


def test_each_target_is_predicted_from_the_token_before_it() -> None:
    (micro,) = PaddingCollator(tokens_per_pass=10_000)([row(9, 4), row(10, 2, start=200)]).micro
    assert (micro.ids.flatten()[micro.predictors] + 1).tolist() == micro.targets.tolist()


def test_a_token_with_the_id_of_the_padding_is_trained_like_any_other() -> None:
    zeros = TokenRow(np.zeros(6, dtype=np.int32), np.arange(6) >= 2)
    (micro,) = PaddingCollator(tokens_per_pass=64)([zeros, row(7, 3)]).micro
    assert micro.targets.tolist().count(0) == 4


@pytest.mark.parametrize("rows_per_pass", [1, 3, 8])
def test_a_given_number_of_rows_goes_through_at_a_time(rows_per_pass: int) -> None:
    batch = PaddingCollator(tokens_per_pass=8, rows_per_pass=rows_per_pass)(
        [row(10 + n, 2) for n in range(8)]
    )
    assert max(len(micro.ids) for micro in batch.micro) == rows_per_pass
    assert sum(len(micro.ids) for micro in batch.micro) == 8


def test_a_row_has_the_loss_in_a_padded_batch_that_it_has_alone(tiny_model_folder: object) -> None:
    model = load_model(tiny_model_folder, dtype="float32")  # type: ignore[arg-type]
    rows = [row(5, 2), row(17, 3, start=900), row(40, 9, start=4000)]

    def loss(some_rows: list[TokenRow]) -> float:
        total = 0.0
        for micro in PaddingCollator(tokens_per_pass=10_000)(some_rows).micro:
            hidden = model.get_decoder()(input_ids=micro.ids, use_cache=False).last_hidden_state.flatten(0, 1)
            total += sum_cross_entropy(hidden[micro.predictors], model.lm_head, micro.targets).item()
        return total

    with torch.no_grad():
        assert loss(rows) == pytest.approx(sum(loss([item]) for item in rows), rel=1e-5)
