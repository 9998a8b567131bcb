"""Open a text file, packed or not, and read it in lines of bounded length.

Whatever a file holds, no more than a row of it is in memory: a line that never ends
and a small file that unpacks to a huge one are both met here.
"""

from __future__ import annotations

import errno
import gzip
import io
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from core.data.reading.found import Found
from tunery.errors import BadInput, DataError, NotThere

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# Bytes of the longest row that is read; longer than any context.
ROW_LIMIT = 16 * 2**20
BOM = b"\xef\xbb\xbf"

_BLOCK = 2**20
_HEAD = 2**16
# Text shrinks to a third or, where it repeats itself, to a hundredth; only a bomb shrinks further.
_UNPACKS_TO = 200
_UNPACKED_UNASKED = 64 * 2**20
_READ_ERRORS = (OSError, EOFError, zlib.error)


def begin_of(file: Found) -> bytes:
    """The first bytes of the file that are not all white space, unpacked; empty when there are none.

    Raises NotThere, or DataError when the file cannot be read.
    """
    with _opened(file) as handle:
        try:
            head = handle.read(_HEAD).removeprefix(BOM)
            while head.isspace():
                head = handle.read(_HEAD)
            return head
        except _READ_ERRORS as error:
            raise _broken_off(file, 1, error) from None


def lines_of(file: Found) -> Iterator[tuple[int, bytes]]:
    """Every line with its number from 1 and its end, without a byte order mark.

    A line of more than ROW_LIMIT bytes comes as its first ROW_LIMIT + 1 bytes; the rest
    of it is passed over. Raises DataError, with the line, when the file cannot be read on.
    """
    number = 0
    with _opened(file) as packed:
        try:
            handle = _from_first_letter(packed)
            while line := handle.readline(ROW_LIMIT + 1):
                number += 1
                rest = line if len(line) > ROW_LIMIT else b"\n"
                while rest and not rest.endswith(b"\n"):
                    rest = handle.readline(_BLOCK)
                yield number, line
        except _READ_ERRORS as error:
            raise _broken_off(file, number + 1, error) from None


def blocks_of(file: Found) -> Iterator[bytes]:
    """The whole text in blocks, without a byte order mark. Raises DataError as `lines_of` does."""
    line = 1
    with _opened(file) as packed:
        try:
            handle = _from_first_letter(packed)
            while block := handle.read(_BLOCK):
                yield block
                line += block.count(b"\n")
        except _READ_ERRORS as error:
            raise _broken_off(file, line, error) from None


def unreadable(file: Found, error: OSError | ValueError) -> BadInput:
    """What to say of a file or folder that cannot be opened."""
    if isinstance(error, FileNotFoundError | NotADirectoryError | ValueError):
        what = "is a link to nothing" if file.path.is_symlink() else "does not exist"
        return NotThere(f"{file.shown} {what}; correct data.sources or data.split.test in the recipe")
    if error.errno == errno.ELOOP:
        return DataError(f"{file.shown} is a link that leads back to itself; remove it or name the file")
    return DataError(f"{file.shown} cannot be read: {error.strerror}; correct the path or its permissions")


@contextmanager
def _opened(file: Found) -> Iterator[io.BufferedReader[Any]]:
    """The bytes of a file; those inside where it is named `.gz`."""
    try:
        # A pipe or a device would make us wait for ever.
        if not stat.S_ISREG(file.path.stat().st_mode):
            raise DataError(f"{file.shown} is not a file; name a file, a folder or a glob")
        handle = io.BufferedReader(io.FileIO(file.path), _BLOCK)
    except (OSError, ValueError) as error:
        raise unreadable(file, error) from None
    with handle:
        packed = file.path.suffix.lower() == ".gz"
        yield io.BufferedReader(_Unpacked(handle, file), _BLOCK) if packed else handle


def _from_first_letter(handle: io.BufferedReader[Any]) -> io.BufferedReader[Any]:
    """The text behind a byte order mark, with lines that end as ours do."""
    head = handle.peek(_HEAD)[:_HEAD]
    if head.startswith(BOM):
        handle.read(len(BOM))
    # Old Macs end lines with "\r" alone.
    if b"\n" not in head and b"\r" in head[:-1]:
        return io.BufferedReader(_MacLines(handle), _BLOCK)
    return handle


def _broken_off(file: Found, line: int, error: Exception) -> DataError:
    if isinstance(error, gzip.BadGzipFile | EOFError | zlib.error):
        return DataError(f"{file.shown} line {line}: the gzip data is damaged or cut off; pack it again")
    why = error.strerror if isinstance(error, OSError) else str(error)
    return DataError(f"{file.shown} line {line}: the file cannot be read on: {why}; copy it anew")


class _Unpacked(io.RawIOBase):
    """What a gzip file holds, as long as it is no bomb."""

    def __init__(self, packed: BinaryIO, file: Found) -> None:
        self._packed = packed
        self._file = file
        self._gzip = gzip.GzipFile(fileobj=packed, mode="rb")
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, room: WriteableBuffer) -> int:
        count = self._gzip.readinto(room)
        self._count += count
        if self._count > max(_UNPACKED_UNASKED, _UNPACKS_TO * self._packed.tell()):
            raise DataError(
                f"{self._file.shown} unpacks to more than {_UNPACKS_TO} times its size, as a zip bomb does; "
                "unpack it yourself if you trust it"
            )
        return count


class _MacLines(io.RawIOBase):
    """Text whose lines end with a carriage return, read as if they ended with a line feed."""

    def __init__(self, inner: BinaryIO) -> None:
        self._inner = inner

    def readable(self) -> bool:
        return True

    def readinto(self, room: WriteableBuffer) -> int:
        view = memoryview(room)
        block = self._inner.read(len(view)).replace(b"\r", b"\n")
        view[: len(block)] = block
        return len(block)
