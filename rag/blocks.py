"""What a document is once its format is behind us: text, and the pieces that stay whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BlockKind = Literal["paragraph", "list", "table", "code"]


@dataclass(frozen=True)
class Block:
    """The characters `start` to `end` (exclusive) of a document's text, below `headings`, outermost first."""

    start: int
    end: int
    kind: BlockKind
    headings: tuple[str, ...]


@dataclass(frozen=True)
class Parsed:
    """A document's readable text and its blocks in order; they do not overlap. `title` None: it has none."""

    title: str | None
    text: str
    blocks: tuple[Block, ...]


class HeadingPath:
    """The headings that a reader has passed and that still hold."""

    def __init__(self) -> None:
        self._open: list[tuple[int, str]] = []

    def enter(self, level: int, text: str) -> None:
        """A heading of `level`, 1 the highest, ends all of its level and below; an empty one is none."""
        self._open = [entry for entry in self._open if entry[0] < level]
        if text:
            self._open.append((level, text))

    def names(self) -> tuple[str, ...]:
        return tuple(text for _, text in self._open)
