"""Read JSONL, JSON, CSV and Parquet, and say in one sentence where a file is broken.

The text formats are told apart by looking, since `.json` files often hold one object
a line. Text is UTF-8, with or without a byte order mark, with any line ends.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from core.data.rows import Place, Problem, RawRow
from tunery.errors import DataError, NotThere

FileFormat = Literal["jsonl", "json", "csv", "parquet"]
ACCEPTED = "JSONL, JSON, CSV or Parquet (.jsonl, .json, .csv, .parquet)"

_SUFFIXES: dict[str, FileFormat] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".parquet": "parquet",
}
_BOM = b"\xef\xbb\xbf"
# How files begin that carry another name than they should.
_MAGIC = {
    b"\x1f\x8b": "compressed with gzip; unpack it first",
    b"PK\x03\x04": "a zip archive; unpack it first",
    b"PAR1": "a Parquet file; give it the ending .parquet",
    b"\xff\xfe": "UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8",
}


def file_format(path: Path, shown: str) -> FileFormat:
    """How the file is written. Raises DataError when it is empty or of no accepted kind."""
    named = _SUFFIXES.get(path.suffix.lower())
    if named is None:
        raise DataError(f"{shown} is not a data file that Tunery reads; use {ACCEPTED}")
    try:
        with open(path, "rb") as handle:
            head = handle.read(65536)
    except FileNotFoundError:
        raise NotThere(
            f"{shown} does not exist; correct data.sources or data.split.test in the recipe"
        ) from None
    except OSError as error:
        raise DataError(
            f"{shown} cannot be read: {error.strerror}; correct the path or its permissions"
        ) from None
    if not head.removeprefix(_BOM).strip():
        raise DataError(f"{shown} is empty; write conversations into it, or remove it from the recipe")
    if named == "parquet":
        return named
    for magic, what in _MAGIC.items():
        if head.startswith(magic):
            raise DataError(f"{shown} is {what}")
    if named == "csv":
        return named
    head = head.removeprefix(_BOM).lstrip()
    if named == "json" and re.match(rb"\{\s*\n", head):
        raise DataError(
            f"{shown} holds one object over several lines; write a list of objects, or one object a line"
        )
    return _look_at_json(head)


def _look_at_json(head: bytes) -> FileFormat:
    """A file that begins with a list is one JSON document, unless that list ends with its line."""
    line, newline, rest = head.partition(b"\n")
    if not head.startswith(b"["):
        return "jsonl"
    if not newline or not rest.strip():
        return "json"
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return "json"
    return "jsonl"


def read_rows(path: Path, shown: str) -> Iterator[RawRow | Problem]:
    """The records of a file in order.

    `shown` is what messages call the file. A JSON line that cannot be used is yielded
    as a Problem, so that all can be counted. Raises DataError when the file as a whole
    cannot be read.
    """
    read = {"jsonl": _read_jsonl, "json": _read_json, "csv": _read_csv, "parquet": _read_parquet}
    return read[file_format(path, shown)](path, shown)


def _read_jsonl(path: Path, shown: str) -> Iterator[RawRow | Problem]:
    with open(path, "rb") as handle:
        for number, line in enumerate(handle, 1):
            if number == 1:
                line = line.removeprefix(_BOM)
            if line.strip():
                yield _parse_line(line, Place(shown, number))


def _parse_line(line: bytes, place: Place) -> RawRow | Problem:
    def problem(code: str, what: str, fix: str) -> Problem:
        return Problem(code, place, what, fix)

    if b"\0" in line:
        return problem("nul_byte", "the line holds a NUL byte", "write the file as plain UTF-8 text again")
    try:
        value = _parse_json(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return problem(
            "not_utf8", f"byte {error.start + 1} of the line is not UTF-8", "save the file as UTF-8"
        )
    except json.JSONDecodeError as error:
        return problem("broken_json", f"this is not valid JSON: {_why(error)}", "correct or remove the line")
    except (ValueError, RecursionError) as error:
        return problem("broken_json", f"this is not usable JSON: {error}", "correct or remove the line")
    if not isinstance(value, dict):
        return problem("not_an_object", f"the line is {_kind(value)}", "write one JSON object a line")
    return RawRow(place, value)


def _why(error: json.JSONDecodeError) -> str:
    return f"{error.msg[:1].lower()}{error.msg[1:]} at column {error.colno}"


def _parse_json(text: str) -> Any:
    return _DECODER.decode(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object, and only the last would count")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def _read_json(path: Path, shown: str) -> Iterator[RawRow | Problem]:
    """One list of objects. Each is parsed by itself, so that it knows its line."""
    text = "".join(_text_lines(path, shown))
    position, line = _skip(text, 0, 1)
    position, line = _skip(text, position + 1, line)  # After "[", which `file_format` has seen.
    ended = text[position : position + 1] == "]"
    while not ended:
        try:
            value, end = _DECODER.raw_decode(text, position)
            line_after = line + text.count("\n", position, end)
            after, next_line = _skip(text, end, line_after)
            if text[after : after + 1] not in (",", "]"):
                raise json.JSONDecodeError("expecting ',' or ']'", text, after)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{shown} line {error.lineno}: this is not valid JSON: {_why(error)}; correct the file"
            ) from None
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{shown} line {line}: this is not usable JSON: {error}; correct the file"
            ) from None
        place = Place(shown, line)
        if isinstance(value, dict):
            yield RawRow(place, value)
        else:
            yield Problem("not_an_object", place, f"the list holds {_kind(value)}", "write a list of objects")
        position, line = after, next_line
        ended = text[position] == "]"
        if not ended:
            position, line = _skip(text, position + 1, line)
    end, line = _skip(text, position + 1, line)
    if end < len(text):
        raise DataError(f"{shown} line {line}: something follows the end of the list; correct the file")


def _skip(text: str, position: int, line: int) -> tuple[int, int]:
    """The next position that is not white space, and its line."""
    begin = position
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position, line + text.count("\n", begin, position)


def _read_csv(path: Path, shown: str) -> Iterator[RawRow | Problem]:
    lines = _text_lines(path, shown)
    first = next(lines)
    # The separator is the one that cuts the header into most names.
    separator = max(",;\t", key=first.count)
    reader = csv.reader(_chain(first, lines), delimiter=separator, strict=True)
    begin = 1
    header: list[str] | None = None
    try:
        for cells in reader:
            place = Place(shown, begin)
            begin = reader.line_num + 1
            if not any(cells):
                continue
            if header is None:
                header = _check_header(cells, place)
            elif len(cells) != len(header):
                yield Problem(
                    "wrong_cell_count",
                    place,
                    f"the row has {len(cells)} cells and the header {len(header)}",
                    "put cells that hold the separator into quotes",
                )
            else:
                yield RawRow(place, dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise DataError(f"{shown} line {begin}: this is not valid CSV: {error}; correct the file") from None


def _chain(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest


def _check_header(cells: list[str], place: Place) -> list[str]:
    header = [cell.strip() for cell in cells]
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{place}: the header names the column {twice!r} twice; keep one")
    return header


def _text_lines(path: Path, shown: str) -> Iterator[str]:
    """Lines with their ends, decoded one by one so that a wrong byte is told by its line."""
    with open(path, "rb") as handle:
        for number, line in enumerate(handle, 1):
            if number == 1:
                line = line.removeprefix(_BOM)
            if b"\0" in line:
                raise DataError(
                    f"{shown} line {number}: the line holds a NUL byte; write the file as UTF-8 text again"
                )
            try:
                yield line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{shown} line {number}: byte {error.start + 1} is not UTF-8; save the file as UTF-8"
                ) from None


def _read_parquet(path: Path, shown: str) -> Iterator[RawRow | Problem]:
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ModuleNotFoundError:
        raise DataError(
            f"{shown} needs pyarrow to be read; install the `train` extra (pip install 'tunery[train]')"
        ) from None
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1024):
                for value in batch.to_pylist():
                    number += 1
                    yield RawRow(Place(shown, number, "row"), value)
    except (arrow.ArrowException, OSError, ValueError) as error:
        raise DataError(
            f"{shown} row {number + 1}: this is not readable Parquet: {error}; write it again"
        ) from None


def _kind(value: object) -> str:
    names = {list: "a list", str: "a text", bool: "true or false", type(None): "null", dict: "an object"}
    return names.get(type(value), "a number")
