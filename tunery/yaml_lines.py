"""YAML that remembers on which line every key stands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tunery.errors import RecipeError

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class YamlDocument:
    """A parsed YAML file.

    `lines` maps each key path, such as ("train", 0, "epochs"), to its 1-based line.
    """

    file: str
    value: Any
    lines: dict[KeyPath, int]

    def line_of(self, path: KeyPath) -> int:
        """The line of `path`, or of its nearest parent that stands in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_yaml(path: Path) -> YamlDocument:
    """Read one YAML file. Raises RecipeError with file and line when it is not YAML."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError(f"{path} does not exist; `tunery init` writes one to start from") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} cannot be read as UTF-8 text: {error}") from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, file: str) -> YamlDocument:
    """Parse YAML text. Duplicate keys are refused: the second one would win silently."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        lines: dict[KeyPath, int] = {}
        if root is not None:
            _collect_lines(root, (), lines, file)
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or str(error)
        raise RecipeError(f"{file} line {line}: this is not valid YAML: {problem}") from None
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"{file} line 1: this is not usable YAML: {error}") from None
    return YamlDocument(file, value, lines)


def _collect_lines(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int], file: str) -> None:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
            here = (*path, name)
            line = key.start_mark.line + 1
            if here in lines:
                raise RecipeError(
                    f"{file} line {line}: `{name}` stands here and on line {lines[here]}; keep one"
                )
            lines[here] = line
            _collect_lines(child, here, lines, file)
    elif isinstance(node, yaml.SequenceNode):
        for position, child in enumerate(node.value):
            lines[(*path, position)] = child.start_mark.line + 1
            _collect_lines(child, (*path, position), lines, file)
