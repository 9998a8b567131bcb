"""The rows of a file, whatever its format, one after the other and in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from core.data.reading.csv_table import read_csv, read_tsv
from core.data.reading.files import SourceFile
from core.data.reading.found import Found
from core.data.reading.json_lines import read_json_lines
from core.data.reading.json_list import read_json_list
from core.data.reading.look import FileFormat
from core.data.reading.prose import read_markdown, read_text
from core.data.rows import Problem, RawRow

Reader = Callable[[Found], Iterator[RawRow | Problem]]


def read_rows(file: SourceFile) -> Iterator[RawRow | Problem]:
    """The records of a file in order; each is a row, or a Problem that says why it is none.

    Raises DataError where the file as a whole cannot be read, or cannot be read on;
    NotThere when it has gone since it was found.
    """
    return _READERS[file.format](Found(file.path, file.shown))


def _read_parquet(file: Found) -> Iterator[RawRow | Problem]:
    from core.data.reading.arrow_table import read_parquet  # loads pyarrow

    return read_parquet(file)


def _read_arrow(file: Found) -> Iterator[RawRow | Problem]:
    from core.data.reading.arrow_table import read_arrow  # loads pyarrow

    return read_arrow(file)


_READERS: Mapping[FileFormat, Reader] = {
    "jsonl": read_json_lines,
    "json": read_json_list,
    "csv": read_csv,
    "tsv": read_tsv,
    "parquet": _read_parquet,
    "arrow": _read_arrow,
    "text": read_text,
    "markdown": read_markdown,
}
