import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.evaluate.bootstrap import paired_interval, student_quantile

ROWS = st.lists(
    st.tuples(st.floats(-50, 50), st.floats(-50, 50), st.integers(1, 200)), min_size=1, max_size=40
)


def columns(rows: list[tuple[float, float, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = np.array(rows, dtype=np.float64)
    return table[:, 0], table[:, 1], table[:, 2]


def test_the_difference_is_that_of_weighted_means() -> None:
    base, tuned, weight = np.array([4.0, 30.0]), np.array([2.0, 10.0]), np.array([2.0, 10.0])
    interval = paired_interval(base, tuned, weight, resamples=500, seed=1)
    # 12/12 - 34/12, not the mean of the rows' differences (-1 and -2).
    assert interval.difference == pytest.approx(-22 / 12)


@given(ROWS, st.integers(0, 5))
def test_the_interval_holds_the_difference(rows: list[tuple[float, float, int]], seed: int) -> None:
    interval = paired_interval(*columns(rows), resamples=200, seed=seed)
    assert interval.low <= interval.difference <= interval.high


@given(ROWS)
def test_swapping_the_subjects_mirrors_the_interval(rows: list[tuple[float, float, int]]) -> None:
    base, tuned, weight = columns(rows)
    there = paired_interval(base, tuned, weight, resamples=200, seed=3)
    back = paired_interval(tuned, base, weight, resamples=200, seed=3)
    assert back.difference == pytest.approx(-there.difference, abs=1e-9)
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low), abs=1e-9)


@given(ROWS)
def test_equal_subjects_have_no_difference_and_no_width(rows: list[tuple[float, float, int]]) -> None:
    base, _, weight = columns(rows)
    interval = paired_interval(base, base, weight, resamples=200, seed=0)
    assert (interval.difference, interval.low, interval.high) == (0, 0, 0)


def test_the_same_seed_gives_the_same_interval_and_blocks_do_not_matter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = np.random.default_rng(0)
    rows = generator.normal(size=50), generator.normal(size=50), generator.integers(1, 9, 50).astype(float)
    whole = paired_interval(*rows, resamples=1000, seed=5)
    assert whole == paired_interval(*rows, resamples=1000, seed=5)
    assert whole != paired_interval(*rows, resamples=1000, seed=6)
    monkeypatch.setattr("core.evaluate.bootstrap._BLOCK", 777)
    assert whole == paired_interval(*rows, resamples=1000, seed=5)


def test_what_both_subjects_share_on_a_row_cancels() -> None:
    generator = np.random.default_rng(1)
    hardness = generator.normal(0, 100, 60)
    base = hardness + generator.normal(0, 0.1, 60)
    interval = paired_interval(base, hardness - 1, np.ones(60), resamples=1000, seed=2)
    assert -1.2 < interval.low < interval.high < -0.8


def test_perplexity_is_transformed_before_it_is_subtracted() -> None:
    base, tuned, weight = np.array([2.0, 4.0]), np.array([1.0, 2.0]), np.array([1.0, 2.0])
    interval = paired_interval(base, tuned, weight, resamples=200, seed=0, transform=np.exp)
    assert interval.difference == pytest.approx(np.exp(1) - np.exp(2))


def test_a_row_without_weight_is_refused() -> None:
    with pytest.raises(ValueError, match="above zero"):
        paired_interval(np.ones(2), np.ones(2), np.array([1.0, 0.0]), resamples=200, seed=0)


def test_the_quantiles_of_student_match_the_printed_table() -> None:
    # Two-sided 5 % points: 2.571 (5 degrees), 2.228 (10), 2.045 (29), 1.994 (70).
    for degrees, printed in ((5, 2.571), (10, 2.228), (29, 2.045), (70, 1.994)):
        assert student_quantile(0.025, degrees) == pytest.approx(-printed, abs=1e-3)


@pytest.mark.parametrize("rows", [15, 70])
def test_about_95_of_100_intervals_hold_the_true_difference(rows: int) -> None:
    """Token-weighted loss: answers of uneven length, gains that vary by row; the truth is -0.3."""
    generator = np.random.default_rng(11)
    held = 0
    for trial in range(400):
        tokens = np.round(generator.lognormal(3.5, 0.5, rows)).clip(1)
        base = tokens * generator.normal(2.5, 0.5, rows)
        tuned = base + tokens * generator.normal(-0.3, 0.4, rows)
        interval = paired_interval(base, tuned, tokens, resamples=400, seed=trial)
        held += interval.low <= -0.3 <= interval.high
    assert 0.915 <= held / 400 <= 0.98
