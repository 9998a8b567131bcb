"""Turns pydantic's findings into sentences with file, line, key and the nearest valid key."""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from core.recipe.recipe import Recipe
from tunery.yaml_lines import KeyPath, YamlDocument

# Discriminator tags stand in pydantic's locations and not in the file.
_TAGS: dict[tuple[str, ...], set[str]] = {("data", "split", "test"): {"share", "file"}}

_EXPECTED = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "list_type": "a list",
    "model_type": "a mapping of keys",
    "model_attributes_type": "a mapping of keys",
    "dict_type": "a mapping of keys",
}


def describe(document: YamlDocument, error: ValidationError, overrides: Sequence[str] = ()) -> list[str]:
    """One sentence for each problem, in the order of the file."""
    found = []
    items = error.errors(include_url=False)
    keys = [_without_tags(item["loc"]) for item in items]
    for item, key in zip(items, keys, strict=True):
        caused = any(other[: len(key)] == key and other != key for other in keys)
        if item["type"] == "too_short" and caused:
            continue
        line = document.line_of(path_in_yaml(document, key))
        found.append((line, f"{place(document, key, overrides)} {_sentence(item, key)}"))
    unique = dict.fromkeys(text for _, text in sorted(found, key=lambda pair: pair[0]))
    return list(unique)


def place(document: YamlDocument, key: KeyPath, overrides: Sequence[str] = ()) -> str:
    """Where `key` was set: "recipe.yaml line 4: train.epochs", or the --set that did it."""
    written = path_in_yaml(document, key)
    dotted = ".".join(str(part) for part in written) or "recipe"
    for override in overrides:
        target = override.partition("=")[0].strip()
        shorter = tuple(part for part in key if part != 0)
        spelled = {".".join(str(part) for part in path) for path in (key, written, shorter)}
        if any(target == name or name.startswith(target + ".") for name in spelled):
            return f"--set {override}: {dotted}"
        if any(target.startswith(name + ".") for name in spelled) and written not in document.lines:
            return f"--set {override}: {dotted}"
    return f"{document.file} line {document.line_of(written)}: {dotted}"


def path_in_yaml(document: YamlDocument, key: KeyPath) -> KeyPath:
    """Where a typed path stands in the file: sections may be written short."""
    if key[:3] == ("data", "split", "test") and ("data", "test") in document.lines:
        key = ("data", "test", *key[3:])
    short = len(key) > 1 and key[0] in ("train", "export") and key[1] == 0
    if short and key[:2] not in document.lines and key[:1] in document.lines:
        key = (key[0], *key[2:])
    return key


def _sentence(item: Any, key: KeyPath) -> str:
    kind, value, context = item["type"], item["input"], item.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(key)
    if kind == "missing":
        return f"is required: {_about(key)}"
    if kind in _EXPECTED:
        return f"expects {_EXPECTED[kind]}, found {_short(value)}"
    if kind in ("literal_error", "enum"):
        return f"expects {context.get('expected', '')}, found {_short(value)}{_nearest_value(key, value)}"
    if kind == "string_pattern_mismatch":
        return f"is wrong: {_about(key)} Found {_short(value)}"
    if kind == "value_error":
        return f"is wrong: {context['error']}"
    return f"is wrong: {item['msg'][0].lower()}{item['msg'][1:]}, found {_short(value)}"


def _unknown_key(key: KeyPath) -> str:
    section = _section_at(key[:-1])
    names = list(section.model_fields) if section else []
    near = get_close_matches(str(key[-1]), names, n=1, cutoff=0.5)
    if near:
        return f"is not a key here; did you mean {near[0]!r}?"
    return f"is not a key here; the keys are {', '.join(names)}"


def _nearest_value(key: KeyPath, value: object) -> str:
    words = [word for word in _literals(_annotation_at(key)) if isinstance(word, str)]
    near = get_close_matches(str(value), words, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def _about(key: KeyPath) -> str:
    section = _section_at(key[:-1])
    field = section.model_fields.get(str(key[-1])) if section else None
    return (field.description if field else None) or "give it a value"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _without_tags(location: tuple[int | str, ...]) -> KeyPath:
    kept: list[str | int] = []
    for part in location:
        if part in _TAGS.get(tuple(str(item) for item in kept), ()):
            continue
        kept.append(part)
    return tuple(kept)


def _section_at(key: KeyPath) -> type[BaseModel] | None:
    return next(_models(_annotation_at(key)), None) if key else Recipe


def _annotation_at(key: KeyPath) -> Any:
    here: Any = Recipe
    for part in key:
        if isinstance(part, int):
            continue
        section = next((model for model in _models(here) if part in model.model_fields), None)
        if section is None:
            return None
        here = section.model_fields[part].annotation
    return here


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Every section model inside an annotation such as tuple[TrainStage, ...]."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) is not None:
        for inner in get_args(annotation):
            yield from _models(inner)


def _literals(annotation: Any) -> Iterator[object]:
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType, tuple):
        for inner in get_args(annotation):
            yield from _literals(inner)
    elif origin is not None:
        yield from (item for item in get_args(annotation) if not isinstance(item, type))
