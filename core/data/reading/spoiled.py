"""Lines that are no text, or too much of it."""

from __future__ import annotations

from core.data.reading.stream import ROW_LIMIT
from core.data.rows import Place, Problem

MEGABYTES = ROW_LIMIT // 2**20


def too_long(place: Place) -> Problem:
    return Problem(
        "too_long",
        place,
        f"the {place.unit} is longer than {MEGABYTES} MiB",
        "divide it, or remove it",
    )


def spoiled(line: bytes, place: Place) -> Problem:
    """What is wrong with a line that holds a NUL byte or is not UTF-8."""
    if b"\0" in line:
        return Problem("nul_byte", place, "the line holds a NUL byte", "write the file as UTF-8 text again")
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        what = f"byte {error.start + 1} of the line is not UTF-8"
        return Problem("not_utf8", place, what, "save the file as UTF-8")
    raise ValueError("there is nothing wrong with the line")
