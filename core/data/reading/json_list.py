"""One JSON list of objects, read object by object, so that a list may be larger than memory."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

from core.data.reading.found import Found
from core.data.reading.json_value import kind_of, parse_at, why
from core.data.reading.spoiled import spoiled, too_long
from core.data.reading.stream import ROW_LIMIT, blocks_of
from core.data.rows import Place, Problem, RawRow
from tunery.errors import DataError

_SPACE = re.compile(r"[ \t\r\n]*")
# A number that a block ends in may look whole: 1 of "1e+5".
_REST_OF_NUMBER = len("e+")


def read_json_list(file: Found) -> Iterator[RawRow | Problem]:
    """Each object with the line on which it begins, or by its number where the whole list is one line.

    Raises DataError where the list cannot be followed any further: what is no JSON has
    no next object.
    """
    window = _Window(file)
    window.take("[")
    one_line = window.is_one_line()
    number = 0
    ended = window.sign() == "]"
    while not ended:
        window.sign()
        number += 1
        place = Place(file.shown, number, "row") if one_line else Place(file.shown, window.line)
        value = window.value()
        if isinstance(value, dict):
            yield RawRow(place, value)
        else:
            what = f"the list holds {kind_of(value)}"
            yield Problem("not_an_object", place, what, "write a list of objects")
        ended = window.sign() == "]"
        if not ended:
            window.take(",")
    window.take("]")
    if window.sign():
        raise window.refusal("something follows the end of the list")


class _Window:
    """The part of a text that is in memory, and where reading stands in it."""

    def __init__(self, file: Found) -> None:
        self.line = 1
        self._file = file
        self._blocks = _decoded(file)
        self._text = ""
        self._position = 0
        self._column = 1  # Of the text's first character in its line.

    def is_one_line(self) -> bool:
        """Whether no line ends in the part that is in memory, save before and behind all of it."""
        return "\n" not in self._text.strip()

    def sign(self) -> str:
        """The next character that is not white space, left where it is; empty at the end."""
        while True:
            spaces = _SPACE.match(self._text, self._position)
            self._go_to(spaces.end() if spaces else self._position)
            if self._position < len(self._text):
                return self._text[self._position]
            if not self._more():
                return ""

    def take(self, expected: str) -> None:
        """Step over the one character that may stand here."""
        if self.sign() != expected:
            names = "',' or ']'" if expected == "," else f"'{expected}'"
            raise self.refusal(f"this is not valid JSON: expecting {names} at column {self._column_of()}")
        self._go_to(self._position + 1)

    def value(self) -> Any:
        """The value that begins here, at its first character."""
        while True:
            try:
                value, end = parse_at(self._text, self._position)
            except json.JSONDecodeError as error:
                if self._can_grow():
                    continue
                raise self._broken(error) from None
            except (ValueError, RecursionError) as error:
                raise self.refusal(f"this is not usable JSON: {error}") from None
            if len(self._text) - end > _REST_OF_NUMBER or not self._can_grow():
                self._go_to(end)
                return value

    def refusal(self, what: str, line: int | None = None) -> DataError:
        return DataError(
            f"{self._file.shown} line {self.line if line is None else line}: {what}; correct the file"
        )

    def _broken(self, error: json.JSONDecodeError) -> DataError:
        line = self.line + self._text.count("\n", self._position, error.pos)
        at_its_end = error.pos >= len(self._text) or error.msg.startswith("Unterminated string")
        if at_its_end and len(self._text) - self._position > ROW_LIMIT:
            return DataError(str(too_long(Place(self._file.shown, self.line))))
        return self.refusal(f"this is not valid JSON: {why(error, self._column_of(error.pos))}", line)

    def _column_of(self, position: int | None = None) -> int:
        position = self._position if position is None else position
        newline = self._text.rfind("\n", 0, position)
        return position - newline if newline >= 0 else self._column + position

    def _can_grow(self) -> bool:
        """Whether more text came, for a value that is still short enough."""
        return len(self._text) - self._position <= ROW_LIMIT and self._more()

    def _more(self) -> bool:
        block = next(self._blocks, "")
        if block:
            self._column = self._column_of()
            self._text = self._text[self._position :] + block
            self._position = 0
        return bool(block)

    def _go_to(self, position: int) -> None:
        self.line += self._text.count("\n", self._position, position)
        self._position = position


def _decoded(file: Found) -> Iterator[str]:
    """The text in blocks. Raises DataError with the line of a NUL byte or of a byte that is not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    line, begun = 1, 0  # The line that the next block begins in, and the bytes of it so far.
    for block in chain(blocks_of(file), (b"",)):
        held_back = len(decoder.getstate()[0])
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            before = error.object[: error.start]
            newline = before.rfind(b"\n")
            byte = error.start - newline if newline >= 0 else begun - held_back + error.start + 1
            number = line + before.count(b"\n")
            raise DataError(
                f"{file.shown} line {number}: byte {byte} of the line is not UTF-8; save the file as UTF-8"
            ) from None
        if "\0" in text:
            number = line + text.count("\n", 0, text.index("\0"))
            raise DataError(str(spoiled(b"\0", Place(file.shown, number))))
        if text:
            yield text
        line += block.count(b"\n")
        newline = block.rfind(b"\n")
        begun = len(block) - newline - 1 if newline >= 0 else begun + len(block)
