import pytest

from core.evaluate.axes import AXES, MIN_DIFFERENT_ROWS, Measured, compare, overall
from core.evaluate.report import Axis
from core.evaluate.scores import RowLoss, Score


def answer(rouge: float = 0.5, *, exact: bool | None = None, stopped: bool = True, tokens: int = 10) -> Score:
    return Score(rouge, exact, None if exact is None else True, stopped, tokens)


def axes_of(base: Measured, tuned: Measured, **exports: Measured) -> dict[str, Axis]:
    found = compare({"base": base, "tuned": tuned, **exports}, resamples=500, seed=7)
    return {axis.name: axis for axis in found}


def steady(loss: float, rouge: float, rows: int = 12) -> Measured:
    """Rows that differ a little from one another, as real ones do."""
    return Measured(
        [RowLoss(loss * (10 + row), 10 + row) for row in range(rows)],
        [[answer(rouge + 0.01 * (row % 3))] for row in range(rows)],
    )


def test_loss_weighs_tokens_and_the_rest_weighs_answers() -> None:
    measured = Measured([RowLoss(2.0, 1), RowLoss(9.0, 9)], [[answer(1.0)], [answer(0.0), answer(0.5)]])
    axes = axes_of(measured, measured)
    assert axes["loss"].base == pytest.approx(11 / 10)
    assert axes["perplexity"].base == pytest.approx(3.00417, abs=1e-4)
    assert axes["rouge_l"].base == pytest.approx(0.5)
    assert (axes["rouge_l"].n, axes["rouge_l"].units) == (2, 3)
    assert (axes["loss"].n, axes["loss"].units) == (2, 10)


def test_lower_loss_and_higher_rouge_are_better() -> None:
    axes = axes_of(steady(2.0, 0.2), steady(1.0, 0.6))
    assert axes["loss"].verdict == "better"
    assert axes["loss"].difference == pytest.approx(-1.0)
    assert axes["rouge_l"].verdict == "better"
    back = axes_of(steady(1.0, 0.6), steady(2.0, 0.2))
    assert (back["loss"].verdict, back["rouge_l"].verdict) == ("worse", "worse")


def test_an_interval_that_includes_zero_is_no_clear_difference() -> None:
    base = steady(2.0, 0.5)
    shaken = Measured(
        [RowLoss(loss.nats * (1.1 if row % 2 else 0.9), loss.tokens) for row, loss in enumerate(base.losses)],
        base.scores,
    )
    loss = axes_of(base, shaken)["loss"]
    assert loss.low < 0 < loss.high
    assert loss.verdict == "no_clear_difference"


def test_a_handful_of_rows_that_agree_is_not_evidence() -> None:
    few = MIN_DIFFERENT_ROWS - 1
    axis = axes_of(steady(2.0, 0.2, rows=few), steady(1.0, 0.6, rows=few))["loss"]
    assert axis.high < 0
    assert (axis.verdict, axis.different_rows) == ("no_clear_difference", few)


def test_only_structured_rows_are_on_the_structured_axes() -> None:
    rows = [[answer(exact=True)], [answer()], [answer(exact=False), answer(exact=True)]]
    measured = Measured([RowLoss(1.0, 1)] * 3, rows)
    axis = axes_of(measured, measured)["exact_match"]
    assert (axis.n, axis.units) == (2, 3)
    assert axis.base == pytest.approx(2 / 3)


def test_without_structured_rows_there_are_no_structured_axes() -> None:
    axes = axes_of(steady(2.0, 0.2), steady(1.0, 0.6))
    assert set(axes) == {"loss", "perplexity", "rouge_l", "stopped", "answer_length"}


def test_a_row_that_a_dataset_gives_no_trained_token_is_left_out_of_the_loss() -> None:
    measured = Measured([RowLoss(0.0, 0), RowLoss(3.0, 2)], [[answer()], [answer()]])
    assert axes_of(measured, measured)["loss"].n == 1


def test_length_is_told_and_never_judged() -> None:
    long = Measured(steady(1.0, 0.5).losses, [[answer(0.5, tokens=500)] for _ in range(12)])
    axis = axes_of(steady(1.0, 0.5), long)["answer_length"]
    assert axis.difference == 490
    assert axis.verdict == "not_judged"


def test_exports_are_compared_with_base_and_do_not_change_the_verdict() -> None:
    found = axes_of(steady(2.0, 0.2), steady(1.0, 0.6), q4_k_m=steady(3.0, 0.6))
    assert found["loss"].exports["q4_k_m"].verdict == "worse"
    assert found["loss"].values == pytest.approx({"base": 2.0, "tuned": 1.0, "q4_k_m": 3.0})
    assert overall(list(found.values())) == "ship"


def test_a_perplexity_beyond_all_numbers_is_null() -> None:
    axis = axes_of(steady(1.0, 0.5), steady(2000.0, 0.5))["perplexity"]
    assert axis.tuned is None
    assert axis.difference is None


def test_the_verdict_follows_the_stated_rule() -> None:
    better = axes_of(steady(2.0, 0.2), steady(1.0, 0.6))
    same = axes_of(steady(2.0, 0.2), steady(2.0, 0.2))
    mixed = axes_of(steady(2.0, 0.6), steady(1.0, 0.2))
    assert overall(list(better.values())) == "ship"
    assert overall(list(same.values())) == "cannot_tell"
    assert overall(list(mixed.values())) == "do_not_ship"


def test_every_axis_has_a_name_of_its_own() -> None:
    assert len({kind.name for kind in AXES}) == len(AXES)


def test_subjects_that_were_asked_other_things_are_not_compared() -> None:
    with pytest.raises(ValueError, match="same rows"):
        axes_of(Measured([RowLoss(1.0, 5)], [[answer()]]), Measured([RowLoss(1.0, 6)], [[answer()]]))
