"""`--set a.b=value`: change one key of a recipe from the command line."""

from __future__ import annotations

from typing import Any

import yaml

from tunery.errors import RecipeError


def apply_override(value: dict[str, Any], text: str) -> dict[str, Any]:
    """A copy of `value` with one key changed.

    `text` is like "train.epochs=1" or "train.0.lora.rank=8"; what follows the first
    "=" is YAML. A number reaches into a list; `0` also into a section that was
    written without its list.
    """
    dotted, equals, raw = text.partition("=")
    keys = dotted.strip().split(".")
    if not equals or not all(keys):
        raise RecipeError(f"--set {text}: write it as a.b=value, such as train.epochs=1")
    try:
        new = yaml.safe_load(raw)
    except yaml.YAMLError:
        raise RecipeError(f"--set {text}: {raw!r} is not valid YAML") from None
    changed: dict[str, Any] = _changed(value, keys, new, text)
    return changed


def _changed(node: Any, keys: list[str], new: Any, text: str) -> Any:
    if not keys:
        return new
    first, rest = keys[0], keys[1:]
    if isinstance(node, list):
        return _changed_item(node, first, rest, new, text)
    if first == "0" and (node is None or isinstance(node, dict)):
        return _changed(node, rest, new, text)
    if first.isdigit() and node is None:
        raise RecipeError(f"--set {text}: the recipe has no list to take item {first} of")
    if node is not None and not isinstance(node, dict):
        raise RecipeError(f"--set {text}: there is no key {first!r} inside the value {node!r}")
    here = dict(node or {})
    here[first] = _changed(here.get(first), rest, new, text)
    return here


def _changed_item(node: list[Any], first: str, rest: list[str], new: Any, text: str) -> list[Any]:
    if not first.isdigit() or int(first) >= len(node):
        raise RecipeError(
            f"--set {text}: this is a list of {len(node)}; name one by its number, 0 to {len(node) - 1}"
        )
    position = int(first)
    return [
        _changed(item, rest, new, text) if number == position else item for number, item in enumerate(node)
    ]
