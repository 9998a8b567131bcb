"""`tunery init` writes a recipe that loads, with every key explained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.recipe.load import load_recipe
from core.recipe.recipe import Recipe
from core.recipe.starter import commented_recipe, init_folder
from tunery.errors import BadInput


def test_what_init_writes_loads_and_points_at_its_own_sample(tmp_path: Path) -> None:
    recipe_file, sample = init_folder(tmp_path / "My Assistant!")
    recipe = load_recipe(recipe_file)
    assert recipe.name == "my-assistant"
    assert (recipe_file.parent / recipe.data.sources[0].path) == sample
    assert len(sample.read_text().splitlines()) >= 20


def test_init_never_overwrites(tmp_path: Path) -> None:
    init_folder(tmp_path)
    (tmp_path / "recipe.yaml").write_text("mine")
    with pytest.raises(BadInput, match="is there already"):
        init_folder(tmp_path)
    assert (tmp_path / "recipe.yaml").read_text() == "mine"


def test_the_commented_out_keys_are_valid_too_when_they_are_switched_on(tmp_path: Path) -> None:
    init_folder(tmp_path)
    text = re.sub(r"(?m)^( +)# ", r"\1", (tmp_path / "recipe.yaml").read_text())
    (tmp_path / "recipe.yaml").write_text(text)
    assert load_recipe(tmp_path / "recipe.yaml") == load_recipe(tmp_path / "recipe.yaml")
    assert text.count("\n    rank: ") + text.count("      rank: ") >= 1


def test_every_section_is_in_the_commented_recipe() -> None:
    text = commented_recipe("x")
    for key, field in Recipe.model_fields.items():
        assert f"\n{key}:" in text and (field.description or "?") in text


def test_a_folder_that_cannot_be_made_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be made"):
        init_folder(tmp_path / "file" / "below")
