"""Plain text, of which every line is a row, and Markdown, of which every file is one."""

from __future__ import annotations

from collections.abc import Iterator

from core.data.reading.found import Found
from core.data.reading.spoiled import spoiled, too_long
from core.data.reading.stream import ROW_LIMIT, lines_of
from core.data.rows import Place, Problem, RawRow


def read_text(file: Found) -> Iterator[RawRow | Problem]:
    """One row {"text": line} for each line that is not blank."""
    for number, line in lines_of(file):
        if not line.isspace():
            place = Place(file.shown, number)
            text = _decoded(line, place)
            yield text if isinstance(text, Problem) else RawRow(place, {"text": text.rstrip("\r\n")})


def read_markdown(file: Found) -> Iterator[RawRow | Problem]:
    """One row {"text": all of it}; its line ends are "\\n", however the file writes them."""
    place = Place(file.shown, 1)
    lines: list[str] = []
    size = 0
    for number, line in lines_of(file):
        size += len(line)
        if size > ROW_LIMIT:
            yield Problem("too_long", place, too_long(place).what.replace("line", "file"), "divide it")
            return
        text = _decoded(line, Place(file.shown, number))
        if isinstance(text, Problem):
            yield text
            return
        lines.append(text)
    yield RawRow(place, {"text": "".join(lines).replace("\r\n", "\n").replace("\r", "\n")})


def _decoded(line: bytes, place: Place) -> str | Problem:
    if len(line) > ROW_LIMIT:
        return too_long(place)
    if b"\0" in line:
        return spoiled(line, place)
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return spoiled(line, place)
