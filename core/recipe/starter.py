"""What `tunery init` writes: a commented recipe and a small sample of conversations.

The comments are the fields' own descriptions, so they cannot drift from the code.
"""

from __future__ import annotations

import os
import re
import shutil
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from core.recipe.data import DataSection, DataSource
from core.recipe.recipe import Recipe
from core.recipe.sections import Export, ModelSection
from tunery.errors import BadInput
from tunery.files import whole_folder, write_text_whole

SAMPLE = "conversations.jsonl"


def init_folder(folder: Path) -> list[Path]:
    """Write `recipe.yaml` and `data/conversations.jsonl` into `folder`; return what was written.

    Raises BadInput when there is a recipe already; nothing is ever overwritten.
    """
    recipe_file, data = folder / "recipe.yaml", folder / "data"
    for path in (recipe_file, data / SAMPLE):
        if os.path.lexists(path):
            raise BadInput(f"{path} is there already; choose another folder, or remove it first")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"the folder {folder} cannot be made ({error.strerror}); name another one") from None
    with as_file(files("core.recipe") / "sample" / SAMPLE) as sample:
        if data.is_dir():
            shutil.copyfile(sample, data / SAMPLE)
        else:
            with whole_folder(data) as partial:
                shutil.copyfile(sample, partial / SAMPLE)
    write_text_whole(recipe_file, commented_recipe(_name_for(folder)))
    return [recipe_file, data / SAMPLE]


def commented_recipe(name: str) -> str:
    """A recipe that runs, every key with its description; advanced keys are commented out."""
    recipe = Recipe(
        name=name,
        model=ModelSection(base="smollm2-135m-instruct"),
        data=DataSection(sources=(DataSource(path=f"data/{SAMPLE}"),)),
        export=(Export(),),
    )
    lines = ["# A Tunery recipe. Check it with `tunery check`, run it with `tunery run`.", ""]
    for key, field in Recipe.model_fields.items():
        value = getattr(recipe, key)
        lines += [f"# {field.description}", *_entry(key, value, depth=0), ""]
    return "\n".join(lines).rstrip() + "\n"


def _entry(key: str, value: Any, depth: int, fold: bool = True) -> list[str]:
    """The YAML lines of one key. With `fold`, advanced keys inside are commented out."""
    pad = "  " * depth
    if isinstance(value, BaseModel):
        return [f"{pad}{key}:", *_fields(value, depth + 1, fold)]
    if isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        lines = [f"{pad}{key}:"]
        for item in value:
            body = _fields(item, depth + 2, fold)
            first = next(number for number, line in enumerate(body) if not line.lstrip().startswith("#"))
            body.insert(0, body.pop(first))
            body[0] = f"{pad}  - {body[0].lstrip()}"
            lines += body
        return lines
    return [f"{pad}{key}: {_scalar(value)}"]


def _fields(section: BaseModel, depth: int, fold: bool) -> list[str]:
    lines: list[str] = []
    pad = "  " * depth
    for key, field in type(section).model_fields.items():
        extra = field.json_schema_extra
        folded = fold and isinstance(extra, dict) and extra.get("visibility") == "advanced"
        entry = _entry(key, getattr(section, key), depth, fold and not folded)
        if len(entry) == 1:
            entry = [f"{entry[0]}  # {field.description}"]
        if folded:
            entry = [f"{pad}# {line.removeprefix(pad)}" for line in entry]
        lines += entry
    return lines


def _scalar(value: Any) -> str:
    plain = list(value) if isinstance(value, tuple) else value
    text = yaml.safe_dump(plain, default_flow_style=True, width=1000).strip()
    return text.removesuffix("...").strip()


def _name_for(folder: Path) -> str:
    name = re.sub(r"[^a-z0-9._-]+", "-", folder.resolve().name.lower()).strip("-._")
    return name[:64] or "assistant"
