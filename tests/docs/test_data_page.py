"""What docs/data.md says is true of the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import yaml

from core.recipe.data import DataSection, RowFormat
from tui.actions import commands

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "data.md").read_text(encoding="utf-8")


def test_every_command_on_the_page_exists_and_every_command_is_on_it() -> None:
    named = set(re.findall(r"tunery (data [a-z]+)", PAGE))
    assert named == {words for words in commands() if words.startswith("data ")}


def test_every_format_is_in_the_table_and_nothing_else_is() -> None:
    table = PAGE[PAGE.index("| format |") : PAGE.index("Columns with other names")]
    first_cells = " ".join(re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE))
    assert set(re.findall(r"`([a-z_]+)`", first_cells)) == set(get_args(RowFormat)) - {"auto"}


def test_the_settings_on_the_page_are_settings() -> None:
    block = PAGE[PAGE.index("    data:\n") : PAGE.index("Names of persons")]
    section = DataSection.model_validate(yaml.safe_load(block)["data"])
    assert section.clean.near_duplicates == 0.85
    for key in re.findall(r"`(clean\.[a-z_.]+)`", PAGE):
        value: object = section
        for part in key.split("."):
            assert hasattr(value, part), key
            value = getattr(value, part)
