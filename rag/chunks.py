"""Chunks: the passages of a document that are found, cited and asked about.

Structure comes first: no chunk crosses a heading, and paragraphs, lists and tables stay
whole while they fit. A chunk is one stretch of its document, so a citation can show it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rag.blocks import Block
from rag.documents import Document
from tunery.hashes import sha256_json

Measure = Callable[[str], int]
# Where a block that is too large is cut, the best place first: lines, sentences, words.
_CUTS = (re.compile(r"\r\n?|\n"), re.compile(r"(?<=[.!?…])\s+"), re.compile(r"\s+"))


@dataclass(frozen=True)
class Chunk:
    """The characters `start` to `end` (exclusive) of a document's text, below `headings`.

    `id` is a hash of headings and text: a chunk keeps it wherever it moves.
    """

    id: str
    document: str
    headings: tuple[str, ...]
    start: int
    end: int
    text: str

    @property
    def heading(self) -> str:
        """The heading path on one line."""
        return " > ".join(self.headings)


def cut_document(document: Document, *, limit: int, measure: Measure = len) -> Iterator[Chunk]:
    """Chunks of at most `limit`, in what `measure` counts: characters, or an embedder's tokens.

    Together they hold every block of the document once.
    """
    for headings, blocks in groupby(document.blocks, key=lambda block: block.headings):
        spans = _pack(document.text, _pieces(document.text, list(blocks), limit, measure), limit, measure)
        for start, end in spans:
            text = document.text[start:end]
            key = sha256_json([list(headings), text])[:16]
            yield Chunk(key, document.path, headings, start, end, text)


Span = tuple[int, int]


def _pieces(text: str, blocks: Sequence[Block], limit: int, measure: Measure) -> Iterator[Span]:
    for block in blocks:
        if measure(text[block.start : block.end]) <= limit:
            yield block.start, block.end
        else:
            yield from _cut(text, (block.start, block.end), limit, measure, 0)


def _cut(text: str, span: Span, limit: int, measure: Measure, place: int) -> Iterator[Span]:
    """Pieces of a span that fit, packed full, cut at the best places that make them fit."""
    if place == len(_CUTS):
        yield from _cut_anywhere(text, span, limit, measure)
        return
    parts = _split(text, span, _CUTS[place])
    for fits, run in groupby(parts, key=lambda part: measure(text[part[0] : part[1]]) <= limit):
        if fits:
            yield from _pack(text, run, limit, measure)
        else:
            for part in run:
                yield from _cut(text, part, limit, measure, place + 1)


def _split(text: str, span: Span, gap: re.Pattern[str]) -> Iterator[Span]:
    begin = span[0]
    for found in gap.finditer(text, *span):
        if text[begin : found.start()].strip():
            yield begin, found.start()
        begin = found.end()
    if text[begin : span[1]].strip():
        yield begin, span[1]


def _cut_anywhere(text: str, span: Span, limit: int, measure: Measure) -> Iterator[Span]:
    """A word longer than a chunk: halves of it until they fit."""
    start, end = span
    if end - start == 1 or measure(text[start:end]) <= limit:
        yield span
        return
    middle = (start + end) // 2
    yield from _cut_anywhere(text, (start, middle), limit, measure)
    yield from _cut_anywhere(text, (middle, end), limit, measure)


def _pack(text: str, spans: Iterator[Span], limit: int, measure: Measure) -> Iterator[Span]:
    """Neighbours joined while they fit together."""
    held: Span | None = None
    for start, end in spans:
        if held is not None and measure(text[held[0] : end]) <= limit:
            held = held[0], end
        else:
            if held is not None:
                yield held
            held = start, end
    if held is not None:
        yield held
