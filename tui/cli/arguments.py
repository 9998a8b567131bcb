"""Arguments and options that several commands share, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from core.jobs.records import RunRecord
    from core.workspace.home import Workspace

RunRef = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN",
        help="A run's id, the beginning of one, a recipe or its name; the newest run without it.",
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


def named_run(workspace: Workspace, ref: str | None) -> RunRecord:
    """The run that a RUN argument means; a recipe's file or folder stands for its newest run."""
    from core.jobs.records import find_run

    if ref:
        file = recipe_path(Path(ref))
        if file.suffix in (".yaml", ".yml") and file.is_file():
            from tunery.yaml_lines import read_yaml

            recipe = read_yaml(file).value
            ref = str(recipe.get("name")) if isinstance(recipe, dict) else ref
    return find_run(workspace, ref)


def recipe_path(given: Path) -> Path:
    """A folder stands for the `recipe.yaml` in it."""
    return given / "recipe.yaml" if given.is_dir() else given
