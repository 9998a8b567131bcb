"""Parquet files and Arrow files, read in small batches.

Nothing in a file is run: pyarrow unpickles no metadata, and a column of an extension
type is read as what it is stored as.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from core.data.reading.csv_table import COLUMN_LIMIT
from core.data.reading.found import Found
from core.data.rows import Place, Problem, RawRow
from tunery.errors import DataError

# Rows are turned into objects so many at a time.
_BATCH = 256
_BUFFER = 2**20
_ARROW_FILE = b"ARROW1"


def read_parquet(file: Found) -> Iterator[RawRow | Problem]:
    """Rows by number from 1. Raises DataError when the file is no Parquet, or damaged."""
    with _readable(file, "Parquet"):
        import pyarrow.parquet as parquet

        with parquet.ParquetFile(file.path, buffer_size=_BUFFER, pre_buffer=False) as table:
            _check_columns(table.schema_arrow.names, file)
            yield from _rows(table.iter_batches(batch_size=_BATCH), file)


def read_arrow(file: Found) -> Iterator[RawRow | Problem]:
    """Rows of an IPC stream, as `datasets` writes it, or of an IPC (Feather) file."""
    with _readable(file, "Arrow"):
        import pyarrow as arrow

        with arrow.memory_map(str(file.path)) as source:
            framed = source.read(len(_ARROW_FILE)) == _ARROW_FILE
            source.seek(0)
            if framed:
                table = arrow.ipc.open_file(source)
                batches = (table.get_batch(n) for n in range(table.num_record_batches))
            else:
                table = batches = arrow.ipc.open_stream(source)
            _check_columns(table.schema.names, file)
            yield from _rows(_sound(batches), file)


def _rows(batches: Iterable[Any], file: Found) -> Iterator[RawRow | Problem]:
    number = 0
    for batch in batches:
        batch = _readable_columns(batch)
        for begin in range(0, batch.num_rows, _BATCH):
            for value in _values(batch.slice(begin, _BATCH)):
                number += 1
                place = Place(file.shown, number, "row")
                if isinstance(value, dict):
                    yield RawRow(place, value)
                else:
                    yield Problem("unreadable_row", place, value, "correct or remove the row")


def _values(batch: Any) -> list[dict[str, Any] | str]:
    """The rows as objects; why it is none in place of one that cannot be."""
    try:
        return batch.to_pylist(maps_as_pydicts="strict")  # type: ignore[no-any-return]
    except (ValueError, LookupError) as error:
        if batch.num_rows == 1:
            not_text = isinstance(error, UnicodeDecodeError)
            return ["it holds a text that is not UTF-8" if not_text else f"it cannot be read: {error}"]
        return [value for n in range(batch.num_rows) for value in _values(batch.slice(n, 1))]


def _sound(batches: Iterable[Any]) -> Iterator[Any]:
    """Batches whose offsets stay within their data, which an Arrow file does not promise."""
    for batch in batches:
        batch.validate(full=True)
        yield batch


def _readable_columns(batch: Any) -> Any:
    """The batch with columns that are no JSON as text where they can be: dates, decimals, bytes."""
    import pyarrow as arrow

    columns = [_readable_column(column, arrow) for column in batch.columns]
    return arrow.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _readable_column(column: Any, arrow: Any) -> Any:
    if isinstance(column.type, arrow.BaseExtensionType):
        column = column.storage
    kinds = arrow.types
    if not (
        kinds.is_temporal(column.type)
        or kinds.is_decimal(column.type)
        or kinds.is_binary(column.type)
        or kinds.is_large_binary(column.type)
    ):
        return column
    try:
        return column.cast(arrow.string())
    except arrow.ArrowException:
        return column  # An image, perhaps; a column that is not asked for does no harm.


def _check_columns(names: list[str], file: Found) -> None:
    if len(names) > COLUMN_LIMIT:
        raise DataError(
            f"{file.shown} has {len(names):,} columns and {COLUMN_LIMIT:,} are read at most; "
            "keep those that hold text"
        )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{file.shown} names the column {twice!r} twice; keep one")


@contextmanager
def _readable(file: Found, format: str) -> Iterator[None]:
    """Sentences for what pyarrow raises, and for its absence."""
    try:
        import pyarrow as arrow
    except ModuleNotFoundError:
        raise DataError(
            f"{file.shown} needs pyarrow to be read; install the `train` extra (pip install 'tunery[train]')"
        ) from None
    try:
        yield
    except (arrow.ArrowException, OSError, ValueError) as error:
        why = " ".join(str(error).split())
        raise DataError(f"{file.shown} is not readable {format}: {why}; write it again") from None
