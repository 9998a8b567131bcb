"""Rows as the tokens that training reads: for both faces, with colours or with brackets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunery.errors import BadInput, NotThere
from tunery.shown import harmless

if TYPE_CHECKING:
    from rich.text import Text

LEGEND = "⟦trained⟧ ‹control token› read only ░padding░"


@dataclass(frozen=True)
class Piece:
    """One token. A control token that carries loss, such as the one that ends an answer, is `trained` too."""

    id: int
    text: str
    trained: bool
    control: bool


@dataclass(frozen=True)
class Stream:
    """One row of a split. `number` counts from 1; `padding` fills it up to the longest one shown with it."""

    split: str
    number: int
    of: int
    source: str
    line: int
    pieces: tuple[Piece, ...]
    padding: int = 0

    @property
    def about(self) -> str:
        trained = sum(piece.trained for piece in self.pieces)
        where = f"{self.split} row {self.number:,} of {self.of:,}, {harmless(self.source)} line {self.line:,}"
        return f"{where}: {len(self.pieces):,} tokens, {trained:,} trained"

    def to_json(self) -> dict[str, Any]:
        return {
            "split": self.split,
            "row": self.number,
            "rows": self.of,
            "source": self.source,
            "line": self.line,
            "tokens": [
                {"id": piece.id, "text": piece.text, "trained": piece.trained, "control": piece.control}
                for piece in self.pieces
            ],
        }


@dataclass(frozen=True)
class Palette:
    """Styles of rich for each part."""

    trained: str
    context: str
    control: str
    padding: str
    about: str


def read_streams(dataset: Path, base: Path, split: str, first: int, count: int) -> list[Stream]:
    """Rows `first` to `first + count - 1` of a split of a dataset artifact, decoded by the model in `base`.

    Raises BadInput for a split that there is not, NotThere for a row behind the last.
    """
    from core.data.tokens.view import token_view
    from core.models.dataset import SPLITS, Dataset, read_rows
    from serve.chat import ChatFormat

    if split not in SPLITS:
        raise BadInput(f"there is no split {split!r}; it is one of {', '.join(SPLITS)}")
    tokens = Dataset.open(dataset).split(split)
    if first > len(tokens):
        raise NotThere(f"the {split} split has {len(tokens):,} rows; row {first:,} is not there")
    chat = ChatFormat.open(base)
    rows = list(islice(read_rows(dataset / f"{split}.jsonl"), first - 1, first - 1 + count))
    streams = []
    for number, row in enumerate(rows, first):
        found = tokens[number - 1]
        pieces = tuple(
            Piece(int(token), text, bool(trained), kind == "control")
            for token, trained, (text, kind) in zip(
                found.ids, found.trained, token_view(found, chat), strict=True
            )
        )
        streams.append(Stream(split, number, len(tokens), row.source, row.line, pieces))
    return _padded(streams)


def legend(palette: Palette) -> Text:
    """What the colours mean."""
    from rich.text import Text

    parts = (
        ("trained", palette.trained),
        ("control token", palette.control),
        ("control token, trained", f"{palette.control} reverse"),
        ("read only", palette.context),
        ("padding", palette.padding),
    )
    return Text("  ").join(Text(name, style) for name, style in parts)


def in_brackets(streams: Iterable[Stream]) -> str:
    """The streams without colour: what is trained stands in ⟦ ⟧, control tokens in ‹ ›."""
    return "\n\n".join(f"{stream.about}\n{_bracketed(stream)}" for stream in streams)


def in_colour(streams: Iterable[Stream], palette: Palette) -> Text:
    """The streams in colour. Every second token is underlined, so that borders are seen."""
    from rich.text import Text

    text = Text()
    for stream in streams:
        text.append(f"{stream.about}\n", palette.about)
        for position, piece in enumerate(stream.pieces):
            style = palette.trained if piece.trained else palette.context
            if piece.control:
                style = f"{palette.control} reverse" if piece.trained else palette.control
            elif position % 2:
                style = f"{style} underline"
            text.append(harmless(piece.text), style)
        if stream.padding:
            text.append(f" {stream.padding} × padding", palette.padding)
        text.append("\n\n")
    text.rstrip()
    return text


def _padded(streams: Sequence[Stream]) -> list[Stream]:
    longest = max(len(stream.pieces) for stream in streams)
    return [replace(stream, padding=longest - len(stream.pieces)) for stream in streams]


def _bracketed(stream: Stream) -> str:
    written, trained = [], False
    for piece in stream.pieces:
        if piece.trained != trained:
            written.append("⟦" if piece.trained else "⟧")
            trained = piece.trained
        written.append(f"‹{harmless(piece.text)}›" if piece.control else harmless(piece.text))
    written.append("⟧" if trained else "")
    written.append(f"░{stream.padding} padding░" if stream.padding else "")
    return "".join(written)
