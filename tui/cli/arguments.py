"""Arguments and options that several commands share, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RunRef = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN",
        help="A run's id, the beginning of one, or a recipe's name; the newest run without it.",
        show_default=False,
    ),
]
RecipeFile = Annotated[Path, typer.Argument(metavar="RECIPE", help="The recipe's YAML file, or its folder.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change one key, such as train.epochs=1; may be repeated."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, for programs.")]


def recipe_path(given: Path) -> Path:
    """A folder stands for the `recipe.yaml` in it."""
    return given / "recipe.yaml" if given.is_dir() else given
