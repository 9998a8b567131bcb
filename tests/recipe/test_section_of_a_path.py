"""A path alone, without a recipe, for those who only want to look."""

from __future__ import annotations

import pytest

from core.recipe.bare import section_of_path
from tunery.errors import RecipeError


def test_a_path_is_a_source_with_every_default() -> None:
    section = section_of_path("tickets/*.jsonl")
    assert [source.path for source in section.sources] == ["tickets/*.jsonl"]
    assert section.too_long == "refuse"


def test_keys_are_set_as_in_a_recipe() -> None:
    section = section_of_path("a.csv", ["data.sources.0.format=alpaca", "data.clean.unanswered=drop"])
    assert section.sources[0].format == "alpaca"
    assert section.clean.unanswered == "drop"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("data.clean.unansered=drop", "did you mean 'unanswered'"),
        ("data.too_long=shorten", "data.too_long expects"),
        ("train.epochs=3", "set keys of `data` only"),
        ("data.clean", "write it as a.b=value"),
    ],
)
def test_a_wrong_key_is_a_sentence(override: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        section_of_path("a.csv", [override])
