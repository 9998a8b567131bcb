"""Divide rows into train, validation and test.

What a row says decides where it goes, together with the seed: not its file, its line
or the order of files. Rows that are word for word equal stay together, so that no
test row was ever trained on. Shares are met exactly, as far as equal rows allow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import groupby

from core.models.dataset import Row
from tunery.errors import DataError


def split_rows(rows: Sequence[Row], *, validation: float, test: float, seed: int) -> dict[str, list[Row]]:
    """`rows` by split name; `validation` and `test` are shares from 0 to below 1.

    Rows of a split come in the order of their hash, so that the first so many are a
    fair sample. A share above 0 gets at least one row. Raises DataError when that
    leaves nothing to train on.
    """
    ordered = sorted(rows, key=lambda row: (_draw(row, seed), row.id, row.source, row.line))
    groups = [list(equal) for _, equal in groupby(ordered, key=lambda row: row.id)]
    wanted = {"test": _count(len(rows), test), "validation": _count(len(rows), validation)}
    taken: dict[str, list[Row]] = {"train": [], "validation": [], "test": []}
    for group in groups:
        # A group that is larger than what a share still needs goes further down, to train at the last.
        name = next(
            (name for name, count in wanted.items() if len(taken[name]) + len(group) <= count), "train"
        )
        taken[name] += group
    _check_filled(taken, wanted, len(rows))
    return taken


def _draw(row: Row, seed: int) -> bytes:
    return hashlib.sha256(f"{seed} {row.id}".encode()).digest()


def _count(rows: int, share: float) -> int:
    return max(1, round(rows * share)) if share > 0 else 0


def _check_filled(taken: dict[str, list[Row]], wanted: dict[str, int], rows: int) -> None:
    lacking = [name for name, count in (*wanted.items(), ("train", 1)) if count and not taken[name]]
    if lacking:
        raise DataError(
            f"data.split leaves no rows for {' and '.join(lacking)}: there are {rows} rows, some of which "
            "may be equal; add rows, or set the share to 0"
        )
