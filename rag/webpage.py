"""HTML into readable text and its blocks: no tags, no scripts, lists and tables whole.

The text is made here, so that a block's characters are what a person reads on the page.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rag.blocks import Block, BlockKind, HeadingPath, Parsed

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

# What is not the page's text; all that stands inside goes with them.
_UNREAD = {
    *("script", "style", "template", "noscript", "svg", "math", "iframe", "object", "canvas"),
    *("audio", "video", "select", "textarea"),
}
# Tags that leave their words in the line; every other tag ends it.
_INLINE = {
    *(
        "a",
        "abbr",
        "b",
        "bdi",
        "bdo",
        "big",
        "button",
        "cite",
        "code",
        "data",
        "del",
        "dfn",
        "em",
        "font",
        "i",
    ),
    *("img", "input", "ins", "kbd", "label", "mark", "q", "s", "samp", "small", "span", "strike", "strong"),
    *("sub", "sup", "time", "tt", "u", "var", "wbr"),
}
_WHOLE: dict[str, BlockKind] = {"ul": "list", "ol": "list", "dl": "list", "table": "table", "pre": "code"}
_HEADING = re.compile(r"h[1-6]")
# Tags that are open inside one another; beyond this the parser's time grows with the square.
_DEEPEST = 2000
_NESTING = re.compile(
    r"<(/?)(?:ul|ol|dl|menu|div|section|article|aside|blockquote|center|details|dialog|dir|fieldset|figure|footer"
    r"|form|header|main|nav|pre|listing|table|button|address|summary|hgroup)\b",
    re.IGNORECASE,
)


def parse_html(source: str) -> Parsed:
    """The readable text of a page; broken markup is mended as browsers do.

    Raises ValueError for tags nested thousands deep, which no page needs.
    """
    from selectolax.lexbor import LexborHTMLParser

    _check_depth(source)
    reader = _Reader()
    root = LexborHTMLParser(source).root
    if root is not None:
        _walk(root, reader)
    reader.end_heading()
    reader.end_block()
    return Parsed(reader.title or reader.first_heading or None, reader.text, tuple(reader.blocks))


def _check_depth(source: str) -> None:
    depth = 0
    for tag in _NESTING.finditer(source):
        depth = max(0, depth - 1) if tag.group(1) else depth + 1
        if depth > _DEEPEST:
            raise ValueError(f"tags nested more than {_DEEPEST} deep")


def _walk(root: LexborNode, reader: _Reader) -> None:
    """Tell the reader of every tag and text in order, without recursion: pages nest deep."""
    node: LexborNode | None = root
    while node is not None:
        tag = node.tag or ""
        if node.is_text_node:
            reader.text_found(node.text_content or "")
        elif node.is_element_node and tag not in _UNREAD:
            reader.begin(tag)
            if node.child is not None:
                node = node.child
                continue
            reader.end(tag)
        while node is not None and node.next is None:
            node = node.parent
            if node is not None and node.is_element_node:
                reader.end(node.tag or "")
        node = node.next if node is not None else None


class _Reader:
    """Collects words into lines and lines into blocks."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.title = self.first_heading = ""
        self._pieces: list[str] = []
        self._length = 0
        self._path = HeadingPath()
        self._heading = 0
        self._in_title = False
        # Lists, tables and preformatted text that are open.
        self._whole: list[str] = []
        self._kind: BlockKind = "paragraph"
        self._marker = ""
        self._line: list[str] = []
        self._lines: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def begin(self, tag: str) -> None:
        if tag == "title":
            self._in_title = True
        elif _HEADING.fullmatch(tag):
            self._whole.clear()
            self.end_heading()
            self.end_block()
            self._heading = int(tag[1])
        elif tag in _WHOLE:
            self._begin_whole(tag)
        elif tag in ("li", "dt"):
            self._end_line()
            self._marker = "  " * (len(self._whole) - 1) + "- "
        elif tag in ("td", "th"):
            self._line.append(" | " if "".join(self._line).strip() else "")
        elif tag == "br":
            self._end_line()
        elif tag not in _INLINE:
            self._end_piece(tag)

    def end(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        elif _HEADING.fullmatch(tag):
            self.end_heading()
        elif tag in self._whole:
            self._end_line()
            while self._whole.pop() != tag:
                pass
            self._end_piece(tag)
        elif tag not in _INLINE | {"td", "th", "br"}:
            self._end_piece(tag)

    def text_found(self, data: str) -> None:
        if self._in_title:
            self.title = " ".join(f"{self.title} {data}".split())
        elif "pre" in self._whole:
            first, *others = data.split("\n")
            self._line.append(first)
            for other in others:
                self._lines.append("".join(self._line).rstrip())
                self._line = [other]
        else:
            self._line.append(data)

    def end_heading(self) -> None:
        """A heading's words name what follows; they are in the text and in no block."""
        if not self._heading:
            return
        self._end_line()
        words = " ".join(" ".join(self._lines).split())
        self._lines = []
        self._path.enter(self._heading, words)
        self._heading = 0
        self.first_heading = self.first_heading or words
        self._write(words)

    def end_block(self) -> None:
        self._end_line()
        body = "\n".join(self._lines).strip("\n")
        self._lines = []
        start = self._write(body)
        if body.strip():
            self.blocks.append(Block(start, self._length, self._kind, self._path.names()))
        self._kind = "paragraph"

    def _write(self, words: str) -> int:
        """Add words to the text, an empty line before them; where they begin."""
        if words.strip():
            gap = "\n\n" if self._length else ""
            self._pieces += [gap, words]
            self._length += len(gap) + len(words)
        return self._length - len(words)

    def _begin_whole(self, tag: str) -> None:
        if self._whole or self._heading:
            self._end_line()
        else:
            self.end_block()
            self._kind = _WHOLE[tag]
        self._whole.append(tag)

    def _end_piece(self, tag: str) -> None:
        """A tag that parts words: it ends a block, or a line of a list, or nothing but a word in a table."""
        if self._heading:
            self._line.append(" ")
        elif not self._whole:
            self._marker = ""
            self.end_block()
        elif self._whole[-1] == "table" and tag not in ("tr", "caption", "table"):
            self._line.append(" ")
        else:
            self._end_line()

    def _end_line(self) -> None:
        words = "".join(self._line)
        self._line = []
        if "pre" in self._whole:
            self._lines.append(words.rstrip())
            return
        words = " ".join(words.split())
        if words.strip("| "):
            self._lines.append(self._marker + words)
            self._marker = ""
