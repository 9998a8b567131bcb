"""A split's token files, written row by row: memory stays flat, and the files are those of `write_tokens`.

An .npy file is a header and the bare numbers. The header says how many there are, which
is known at the end: its place is kept free, and it is written last.
"""

from __future__ import annotations

from array import array
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from core.data.tokens.render import RenderedRow

# numpy leaves room for a growing first axis, so that a header has this size for every count.
_HEADER_BYTES = 128


class TokenWriter:
    """Use it in a `with` block. What a block that raised leaves behind does not open as an array."""

    def __init__(self, folder: Path, name: str) -> None:
        """`name` is the split; see core/models/dataset.py for the files."""
        self._folder = folder
        self._name = name
        self._end = 0
        self._rows = 0

    def __enter__(self) -> TokenWriter:
        self._open = ExitStack()
        self._ids, self._trained, self._offsets = (
            self._open.enter_context(self._begin(part)) for part in ("ids", "trained", "offsets")
        )
        self._offsets.write(array("q", [0]).tobytes())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._open:
            if kind is None:
                _finish(self._ids, "int32", self._end)
                _finish(self._trained, "bool", self._end)
                _finish(self._offsets, "int64", self._rows + 1)

    def add(self, row: RenderedRow) -> None:
        trained = bytearray(len(row.ids))
        for start, end in row.spans:
            trained[start:end] = b"\1" * (end - start)
        self._end += len(row.ids)
        self._rows += 1
        self._ids.write(row.ids.tobytes())
        self._trained.write(trained)
        self._offsets.write(array("q", [self._end]).tobytes())

    def _begin(self, part: str) -> BinaryIO:
        handle = open(self._folder / f"{self._name}.{part}.npy", "wb")  # noqa: SIM115 (the stack closes it)
        handle.write(bytes(_HEADER_BYTES))
        return handle


def _finish(handle: BinaryIO, dtype: str, count: int) -> None:
    """Write the header for `count` numbers of `dtype`."""
    from io import BytesIO

    import numpy as np
    from numpy.lib import format as npy

    header = BytesIO()
    described = {"descr": npy.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": (count,)}
    npy.write_array_header_1_0(header, described)
    if header.tell() != _HEADER_BYTES:
        raise ValueError(
            f"numpy wrote a header of {header.tell()} bytes; it is expected to be {_HEADER_BYTES}"
        )
    handle.seek(0)
    handle.write(header.getvalue())
