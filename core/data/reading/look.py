"""What a file is, by its name and by how it begins.

The JSON formats are told apart by looking, since `.json` files often hold one object
a line.
"""

from __future__ import annotations

import json
import re
from pathlib import PurePath
from typing import Literal

from core.data.reading.found import Found
from core.data.reading.stream import begin_of
from tunery.errors import DataError

FileFormat = Literal["jsonl", "json", "csv", "tsv", "parquet", "arrow", "text", "markdown"]
ACCEPTED = (
    "JSONL, JSON, CSV, TSV, Parquet, Arrow, text or Markdown "
    "(.jsonl, .json, .csv, .tsv, .parquet, .arrow, .txt, .md; the text formats also as .gz)"
)
# Prose; beside files of records it is taken for notes about them.
PROSE: frozenset[FileFormat] = frozenset(("text", "markdown"))

_SUFFIXES: dict[str, FileFormat] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".txt": "text",
    ".md": "markdown",
    ".markdown": "markdown",
}
_BINARY: frozenset[FileFormat] = frozenset(("parquet", "arrow"))
_ARCHIVES = frozenset(
    (".zip", ".tar", ".tgz", ".tbz", ".txz", ".7z", ".rar", ".bz2", ".xz", ".zst", ".lz4", ".gz")
)
# What `datasets` and the hub write about rows, which holds none.
_ABOUT_ROWS = frozenset(("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"))
# How files begin that carry another name than they should.
_MAGIC = {
    b"\x1f\x8b": "compressed with gzip; give it an ending such as .jsonl.gz, or unpack it",
    b"PK\x03\x04": "a zip archive; unpack it first",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive; unpack it first",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; unpack it first",
    b"\xfd7zXZ\x00": "compressed with xz; unpack it first",
    b"BZh9": "compressed with bzip2; unpack it first",
    b"PAR1": "a Parquet file; give it the ending .parquet",
    b"ARROW1\0\0": "an Arrow file; give it the ending .arrow",
    b"\xff\xfe": "UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8",
}


def named_format(name: PurePath) -> FileFormat | None:
    """What a file is by its name alone; None where its ending says nothing of rows."""
    if name.name in _ABOUT_ROWS:
        return None
    packed = name.suffix.lower() == ".gz"
    named = _SUFFIXES.get((name.with_suffix("") if packed else name).suffix.lower())
    return None if packed and named in _BINARY else named


def is_archive(name: PurePath) -> bool:
    """Whether the name is that of an archive, or of a packed file that is not read as it is."""
    return named_format(name) is None and name.suffix.lower() in _ARCHIVES


def look_at(file: Found) -> FileFormat | None:
    """How the file is written; None when nothing but white space is in it.

    Raises DataError when it is of no accepted kind or cannot be read, NotThere when it
    does not exist.
    """
    named = named_format(file.path)
    if named is None and is_archive(file.path):
        raise DataError(f"{file.shown} is an archive or a packed file; unpack it and name what was in it")
    if named is None:
        raise DataError(f"{file.shown} is not a data file that Tunery reads; use {ACCEPTED}")
    head = begin_of(file)
    if not head:
        return None
    if named in _BINARY:
        return named
    for magic, what in _MAGIC.items():
        if head.startswith(magic):
            raise DataError(f"{file.shown} is {what}")
    return _kind_of_json(head, file) if named in ("json", "jsonl") else named


def _kind_of_json(head: bytes, file: Found) -> FileFormat:
    """A file that begins with a list is one JSON document, unless that list ends with its line."""
    head = head.lstrip()
    if named_format(file.path) == "json" and re.match(rb"\{\s*\n", head):
        raise DataError(
            f"{file.shown} holds one object over several lines; write a list of objects, or one object a line"
        )
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
