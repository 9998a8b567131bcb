"""`tunery init` and `check`: before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tui.cli.arguments import AsJson, Overrides, RecipeFile, recipe_path
from tui.cli.output import data, print_json, say


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write; made if it is not there.")],
    as_json: AsJson = False,
) -> None:
    from core.recipe.starter import init_folder

    written = [str(path) for path in init_folder(folder)]
    if as_json:
        print_json({"written": written})
    else:
        data("\n".join(written))
    say(f"Next: `tunery check {folder}`, then `tunery run {folder}`.")


def check(recipe: RecipeFile, overrides: Overrides = None, as_json: AsJson = False) -> None:
    from core.doctor.recipe import check_recipe
    from core.recipe.load import load_recipe
    from tui.checking import check_text

    file = recipe_path(recipe)
    result = check_recipe(load_recipe(file, overrides or ()), file)
    if as_json:
        print_json(result.to_json())
    else:
        data(check_text(result))
    if result.refused:
        raise typer.Exit(2)
