"""A data section where there is no recipe: one path, and what `--set` says about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from core.recipe.data import DataSection
from core.recipe.overrides import apply_override
from core.recipe.problems import describe
from tunery.errors import RecipeError
from tunery.yaml_lines import YamlDocument


class _Bare(BaseModel):
    data: DataSection


def section_of_path(path: str, overrides: Sequence[str] = ()) -> DataSection:
    """The section that names `path` alone.

    `overrides` are texts such as "data.sources.0.format=alpaca", keys as in a recipe.
    Raises RecipeError with one line for each problem.
    """
    value: dict[str, Any] = {"data": {"sources": [{"path": path}]}}
    for override in overrides:
        if not override.strip().startswith("data."):
            raise RecipeError(f"--set {override}: there is no recipe here; set keys of `data` only")
        value = apply_override(value, override)
    try:
        return _Bare.model_validate(value).data
    except ValidationError as error:
        document = YamlDocument(path, value, {})
        raise RecipeError("\n".join(describe(document, error, overrides))) from None
