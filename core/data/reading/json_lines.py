"""One JSON object a line. Lines are independent: a bad one is a Problem, and the next is read."""

from __future__ import annotations

import json
from collections.abc import Iterator

from core.data.reading.found import Found
from core.data.reading.json_value import kind_of, parse, why
from core.data.reading.spoiled import spoiled, too_long
from core.data.reading.stream import ROW_LIMIT, lines_of
from core.data.rows import Place, Problem, RawRow


def read_json_lines(file: Found) -> Iterator[RawRow | Problem]:
    for number, line in lines_of(file):
        if not line.isspace():
            yield _row(line, Place(file.shown, number))


def _row(line: bytes, place: Place) -> RawRow | Problem:
    if len(line) > ROW_LIMIT:
        return too_long(place)
    if b"\0" in line:
        return spoiled(line, place)
    try:
        value = parse(line.decode("utf-8"))
    except UnicodeDecodeError:
        return spoiled(line, place)
    except json.JSONDecodeError as error:
        return _broken(place, f"this is not valid JSON: {why(error)}")
    except (ValueError, RecursionError) as error:
        return _broken(place, f"this is not usable JSON: {error}")
    if not isinstance(value, dict):
        return Problem(
            "not_an_object", place, f"the line is {kind_of(value)}", "write one JSON object a line"
        )
    return RawRow(place, value)


def _broken(place: Place, what: str) -> Problem:
    return Problem("broken_json", place, what, "correct or remove the line")
