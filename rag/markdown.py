"""Markdown into blocks: markdown-it says on which lines each one stands, the text stays as written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from rag.blocks import Block, BlockKind, HeadingPath, Parsed

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_KINDS: dict[str, BlockKind] = {
    "paragraph_open": "paragraph",
    "blockquote_open": "paragraph",
    "html_block": "paragraph",
    "bullet_list_open": "list",
    "ordered_list_open": "list",
    "table_open": "table",
    "fence": "code",
    "code_block": "code",
}
# The same as markdown-it's own, so that its line numbers are ours.
_LINE_END = re.compile(r"\r\n?|\n")
_FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n(?:.*\r?\n)*?(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)")
# Raw HTML that nobody reads on the page.
_UNSEEN = re.compile(r"\s*<(?:!--|script\b|style\b|\?|!\[CDATA)", re.IGNORECASE)


def parse_markdown(text: str) -> Parsed:
    """Blocks of CommonMark with tables. Front matter, comments, scripts and rules are in none."""
    front = _FRONT_MATTER.match(text)
    begin = front.end() if front else 0
    body = text[begin:]
    starts = [begin, *(begin + end.end() for end in _LINE_END.finditer(body)), len(text)]
    path = HeadingPath()
    title: str | None = None
    blocks: list[Block] = []
    tokens = _block_parser().parse(body)
    for at, token in _on_top(tokens):
        if token.type == "heading_open":
            heading = _plain(tokens[at + 1].content)
            path.enter(int(token.tag[1:]), heading)
            title = title or heading or None
        elif token.type in _KINDS and token.map and not (token.type == "html_block" and _unseen(token)):
            start, end = _trim(text, starts[token.map[0]], starts[min(token.map[1], len(starts) - 1)])
            if start < end:
                blocks.append(Block(start, end, _KINDS[token.type], path.names()))
    return Parsed(title, text, tuple(blocks))


def _on_top(tokens: list[Token]) -> Iterator[tuple[int, Token]]:
    return ((at, token) for at, token in enumerate(tokens) if token.level == 0 and token.nesting >= 0)


def _unseen(token: Token) -> bool:
    return _UNSEEN.match(token.content) is not None


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    """Without empty lines around; the indent of a first line belongs to its block."""
    end = start + len(text[start:end].rstrip())
    lead = re.match(r"(?:[ \t]*(?:\r\n?|\n))*", text[start:end])
    return start + (lead.end() if lead else 0), end


def _plain(heading: str) -> str:
    """The words of a heading without its markup."""
    pieces = _inline_parser().parseInline(heading)[0].children or []
    words = "".join(" " if piece.type.endswith("break") else piece.content for piece in pieces)
    return " ".join(words.split())


@cache
def _block_parser() -> MarkdownIt:
    """Inline markup is most of the work, and only headings need it."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable("table").disable("inline")


@cache
def _inline_parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False})
