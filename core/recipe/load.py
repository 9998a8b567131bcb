"""From a YAML file to a `Recipe`, with errors that name file, line and key.

Costs under a second: nothing heavier than pydantic is loaded, and only the
existence of files is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from core.recipe.data import TestFile
from core.recipe.overrides import apply_override
from core.recipe.problems import describe, place
from core.recipe.recipe import Recipe
from tunery.errors import RecipeError
from tunery.yaml_lines import KeyPath, YamlDocument, read_yaml

Problem = tuple[KeyPath, str]


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read, override and check a recipe.

    `overrides` are texts like "train.epochs=1" whose value is YAML. Raises
    RecipeError with one line for each problem.
    """
    document = read_yaml(path)
    value = document.value
    if not isinstance(value, dict):
        raise RecipeError(
            f"{path} line 1: a recipe is a mapping with the keys name, model and data; "
            "`tunery init DIR` writes one to start from"
        )
    for override in overrides:
        value = apply_override(value, override)
    value = _spell_out(value, document)
    try:
        recipe = Recipe.model_validate(value)
    except ValidationError as error:
        raise RecipeError("\n".join(describe(document, error, overrides))) from None
    problems = [
        f"{place(document, key, overrides)} {sentence}"
        for key, sentence in (*_missing_files(recipe, path.parent), *_impossible(recipe))
    ]
    if problems:
        raise RecipeError("\n".join(problems))
    return recipe


def dump_recipe(recipe: Recipe) -> str:
    """The recipe as YAML, exactly what runs: every default is filled in."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _spell_out(value: dict[str, Any], document: YamlDocument) -> dict[str, Any]:
    """`data.test` is accepted as short for `data.split.test`."""
    data = value.get("data")
    if not isinstance(data, dict) or "test" not in data:
        return value
    split = data.get("split") or {}
    if not isinstance(split, dict) or "test" in split:
        line = document.line_of(("data", "test"))
        raise RecipeError(
            f"{document.file} line {line}: data.test and data.split.test say the same; keep one"
        )
    rest = {key: item for key, item in data.items() if key != "test"}
    return {**value, "data": {**rest, "split": {**split, "test": data["test"]}}}


def _missing_files(recipe: Recipe, folder: Path) -> list[Problem]:
    named: list[tuple[KeyPath, str]] = [
        (("data", "sources", position, "path"), source.path)
        for position, source in enumerate(recipe.data.sources)
    ]
    test = recipe.data.split.test
    if isinstance(test, TestFile):
        named.append((("data", "split", "test", "path"), test.path))
    base = recipe.model.base
    if base.endswith(".gguf") or base.startswith(("/", "./", "../", "~")):
        named.append((("model", "base"), base))
    template = recipe.model.template
    if template is not None and template.endswith(".jinja"):
        named.append((("model", "template"), template))
    return [
        (
            key,
            f"names {text!r}, and there is no such file or folder; "
            f"paths start at the recipe's folder ({folder.resolve()})",
        )
        for key, text in named
        if not _is_there(text, folder)
    ]


def _is_there(text: str, folder: Path) -> bool:
    """Whether a path leads somewhere; hub names and runs are looked up later, by those who know how."""
    if text.startswith(("hf:", "run:")):
        return True
    path = Path(text).expanduser()
    if (folder / path).exists():
        return True
    if not set("*?[") & set(text):
        return False
    start = folder if not path.is_absolute() else Path(path.anchor)
    pattern = str(path.relative_to(path.anchor)) if path.is_absolute() else text
    return next(start.glob(pattern), None) is not None


def _impossible(recipe: Recipe) -> list[Problem]:
    """Combinations of settings that are right by themselves and wrong together."""
    problems: list[Problem] = []
    quants = [wish.quant for wish in recipe.export]
    for position, quant in enumerate(quants):
        if quant in quants[:position]:
            problems.append(
                (("export", position, "quant"), f"exports {quant} a second time; remove one of them")
            )
    wanted = recipe.serve.export
    if wanted != "auto" and wanted not in quants:
        known = ", ".join(quants) or "nothing"
        sentence = f"wants to serve {wanted!r}, and this recipe exports {known}; add it to `export`"
        problems.append((("serve", "export"), sentence))
    paths = [source.path for source in recipe.data.sources]
    for position, text in enumerate(paths):
        if text in paths[:position]:
            sentence = f"reads {text} a second time; remove one of them"
            problems.append((("data", "sources", position, "path"), sentence))
    return problems
