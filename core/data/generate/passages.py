"""The passages of the documents that are worth a question."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.chunks import Chunk, cut_document
from rag.documents import Document, Skipped, read_documents
from rag.words import words

# About 400 tokens: room for several facts, and little enough to be judged in one look.
_LONGEST = 1600
# Less says too little to ask about.
_FEWEST_WORDS = 8


@dataclass(frozen=True)
class Passage:
    """A chunk, and the title of its document."""

    title: str
    chunk: Chunk

    @property
    def about(self) -> str:
        """What names the passage."""
        return "\n".join([self.title, *self.chunk.headings])

    def to_json(self) -> dict[str, Any]:
        """A row's source: `text` is the characters `start` to `end` of the document's text."""
        chunk = self.chunk
        names = {"document": chunk.document, "title": self.title, "heading": chunk.heading}
        return {**names, "start": chunk.start, "end": chunk.end, "text": chunk.text}


def read_passages(docs: Path) -> tuple[list[Passage], int, tuple[Skipped, ...]]:
    """Passages, each once though several documents hold it; the number of documents; files not read."""
    passages: dict[str, Passage] = {}
    documents = 0
    skipped: list[Skipped] = []
    for found in read_documents(docs):
        if isinstance(found, Document):
            documents += 1
            for chunk in cut_document(found, limit=_LONGEST):
                if len(words(chunk.text)) >= _FEWEST_WORDS:
                    passages.setdefault(chunk.id, Passage(found.title, chunk))
        else:
            skipped.append(found)
    return list(passages.values()), documents, tuple(skipped)
