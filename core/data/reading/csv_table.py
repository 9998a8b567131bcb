"""Tables in text: CSV with the separator that its header shows, and TSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from core.data.reading.found import Found
from core.data.reading.spoiled import MEGABYTES, spoiled, too_long
from core.data.reading.stream import ROW_LIMIT, lines_of
from core.data.rows import Place, Problem, RawRow
from tunery.errors import DataError

# More are a matrix, not text to learn from.
COLUMN_LIMIT = 10_000


def read_csv(file: Found) -> Iterator[RawRow | Problem]:
    """Rows as {column: cell}. The separator is the one that cuts the header into most names."""
    first = next((line.decode("utf-8", "replace") for _, line in lines_of(file) if not line.isspace()), "")
    return _read(file, max(",;\t", key=first.count))


def read_tsv(file: Found) -> Iterator[RawRow | Problem]:
    return _read(file, "\t")


def _read(file: Found, separator: str) -> Iterator[RawRow | Problem]:
    """Raises DataError where quotes end in a way that leaves open where the next row begins."""
    # The module's own limit of 128 KiB is below what a conversation needs; ours is kept by `_Lines`.
    csv.field_size_limit(ROW_LIMIT)
    lines = _Lines(file)
    header: list[str] | None = None
    try:
        for cells in csv.reader(lines, delimiter=separator, strict=True):
            place, wrong = lines.end_row()
            if wrong is None and not any(cells):
                continue
            if header is None:
                header = _header(cells, place, wrong)
            elif wrong is not None:
                yield wrong
            elif len(cells) != len(header):
                yield _wrong_count(len(cells), len(header), place)
            else:
                yield RawRow(place, dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        place, _ = lines.end_row()
        raise DataError(f"{place}: this is not valid CSV: {error}; correct the file") from None


class _Lines:
    """Feeds lines to the csv module, and knows what is wrong with those of the row being read."""

    def __init__(self, file: Found) -> None:
        self._shown = file.shown
        self._lines = lines_of(file)
        self._last = 0
        self._begin = 1
        self._size = 0
        self._wrong: Problem | None = None

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        self._last, line = next(self._lines)
        place = Place(self._shown, self._last)
        if len(line) > ROW_LIMIT:
            raise DataError(str(too_long(place)))
        self._size += len(line)
        if self._size > ROW_LIMIT:
            raise DataError(
                f"{self._shown} line {self._begin}: the row that begins here is longer than {MEGABYTES} MiB; "
                "look for a quote that is never closed"
            )
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            self._wrong = self._wrong or spoiled(line, place)
            return line.decode("utf-8", "replace")
        if "\0" in text:
            self._wrong = self._wrong or spoiled(line, place)
        return text

    def end_row(self) -> tuple[Place, Problem | None]:
        """Where the row began that was just read, and what is wrong with its bytes."""
        place, wrong = Place(self._shown, self._begin), self._wrong
        self._begin, self._size, self._wrong = self._last + 1, 0, None
        return place, wrong


def _header(cells: list[str], place: Place, wrong: Problem | None) -> list[str]:
    if wrong is not None:
        raise DataError(str(wrong))
    if len(cells) > COLUMN_LIMIT:
        raise DataError(
            f"{place}: the header has {len(cells):,} columns and {COLUMN_LIMIT:,} are read at most; "
            "keep those that hold text"
        )
    header = [cell.strip() for cell in cells]
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise DataError(f"{place}: the header names the column {twice!r} twice; keep one")
    return header


def _wrong_count(cells: int, names: int, place: Place) -> Problem:
    return Problem(
        "wrong_cell_count",
        place,
        f"the row has {cells} cells and the header {names}",
        "put cells that hold the separator into quotes",
    )
