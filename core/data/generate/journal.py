"""The file of rows and the ledger beside it: appended line by line, and gone on with after a kill.

    pairs.jsonl          the rows that a person is to look at
    pairs.ledger.jsonl   one line for everything that was asked: what became of it, and
                         the pairs that were kept aside, with the reason

A row is written before its line in the ledger, and both name what was asked. So a kill
between the two loses nothing and doubles nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tunery.errors import BadInput, DataError, NotThere


def ledger_path(out: Path) -> Path:
    """The ledger of a file of rows."""
    return out.with_name(f"{out.stem}.ledger.jsonl")


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Hold the file of rows for the block.

    Raises BadInput when another process has it or it cannot be written, NotThere when
    its folder does not exist.
    """
    if out.is_dir():
        raise BadInput(f"{out} is a folder; name a file in it")
    try:
        handle = open(ledger_path(out), "ab")  # noqa: SIM115 (closed below)
    except FileNotFoundError:
        raise NotThere(f"the folder {out.parent} does not exist; make it, or name another file") from None
    except OSError as error:
        raise BadInput(f"{ledger_path(out)} cannot be written: {error.strerror}") from None
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(
                f"{out} is in use by another `tunery data generate` or `review`; wait until that has ended"
            ) from None
        yield


@contextmanager
def open_journal(out: Path) -> Iterator[Journal]:
    """Lock the file and its ledger, and read what they hold. Raises as `locked` and `read_rows` do."""
    with locked(out):
        for path in (out, ledger_path(out)):
            _mend_tail(path)
        yield Journal(out)


class Journal:
    """What was asked so far. `asked` maps an ask to its question, "" where there was none."""

    def __init__(self, out: Path) -> None:
        self._out = out
        rows = [row for _, row in read_rows(out)]
        self.questions = [str(row["messages"][0]["content"]) for row in rows]
        self.asked = {line["ask"]: line.get("question", "") for line in _read_ledger(ledger_path(out))}
        self.asked |= {row["ask"]: question for row, question in zip(rows, self.questions, strict=True)}

    def keep(self, row: Mapping[str, Any]) -> None:
        """Append a row; it is on the disk when this returns."""
        _append(self._out, row)
        self.note(row["ask"], "proposed", question=row["messages"][0]["content"])

    def note(self, ask: str, outcome: str, **more: Any) -> None:
        """Write down what became of an ask."""
        _append(ledger_path(self._out), {"ask": ask, "outcome": outcome, **more})
        self.asked[ask] = str(more.get("question", ""))


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The generated rows of a file with their 1-based lines; nothing where there is no file.

    Raises DataError at a line that is no generated row.
    """
    for number, value in _read_lines(path):
        if not _is_generated(value):
            raise DataError(
                f"{path} line {number}: this is no row that was generated from documents; name another file, "
                "or remove the line"
            )
        yield number, value


def _is_generated(value: Any) -> bool:
    try:
        source, (question, answer) = value["source"], value["messages"]
        texts = [source[key] for key in ("document", "title", "heading", "text")]
        texts += [value["ask"], value["state"], question["content"], answer["content"]]
        figures = [source["start"], source["end"], value["support"]]
    except (LookupError, TypeError, ValueError):
        return False
    return all(isinstance(text, str) for text in texts) and all(isinstance(n, int | float) for n in figures)


def _read_ledger(path: Path) -> Iterator[dict[str, Any]]:
    for number, value in _read_lines(path):
        if not isinstance(value, dict) or not isinstance(value.get("ask"), str):
            raise DataError(f"{path} line {number}: this is no line of a ledger; remove the line")
        yield value


def _read_lines(path: Path) -> Iterator[tuple[int, Any]]:
    if not path.exists():
        return
    with open(path, "rb") as handle:
        for number, line in enumerate(handle, 1):
            if not line.strip():
                continue
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError):
                raise DataError(
                    f"{path} line {number}: this is not valid JSON; correct or remove it"
                ) from None


def _append(path: Path, value: Mapping[str, Any]) -> None:
    line = json.dumps(value, ensure_ascii=False).encode() + b"\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        while line:
            line = line[os.write(descriptor, line) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _mend_tail(path: Path) -> None:
    """Cut off a last line that a kill left unfinished; give a whole one its end."""
    if not path.exists():
        return
    with open(path, "r+b") as handle:
        content = handle.read()
        tail = content.rpartition(b"\n")[2]
        if not tail:
            return
        try:
            json.loads(tail)
        except (ValueError, RecursionError):
            handle.truncate(len(content) - len(tail))
        else:
            handle.write(b"\n")
