"""Which files of a hub dataset belong together, told from their names, and which of them a person asks for.

A dataset there holds files such as `main/train-00000-of-00002.parquet`. Files that
differ in their number alone are one split; its name here would be `main/train`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from core.data.reading.look import PROSE, named_format
from tunery.errors import DataError, NotThere

_WORDS = ("train", "training", "validation", "valid", "val", "dev", "test", "testing", "eval", "evaluation")
_NUMBERS = re.compile(r"([-_.]?\d+(-of-\d+)?)(-[0-9a-f]{8,})?$")
_SHARD = re.compile(r"-(\d+)-of-(\d+)")


def choose_split(names: Iterable[str], wanted: str | None, shown: str) -> list[str]:
    """The files of one split, in order: the one that is wanted, or the only one, or the one to train on.

    `wanted` is a split's name, or a word of it. Raises NotThere or DataError, with the
    names that there are, when that is none or more than one, or when a part is missing.
    """
    groups = _grouped(names)
    if not groups:
        raise DataError(
            f"{shown} holds no Parquet, JSONL, JSON, CSV or TSV file, and its scripts are never run; "
            "download its rows in one of these formats"
        )
    chosen = _chosen(groups, wanted, shown)
    files = groups[chosen]
    formats = sorted({str(named_format(PurePosixPath(file))) for file in files})
    if len(formats) > 1:
        raise DataError(
            f"{shown} holds {chosen} as {' and as '.join(formats)}; download it and name the file that counts"
        )
    _check_parts(files, shown)
    return files


def _grouped(names: Iterable[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        path = PurePosixPath(name)
        plain = not path.is_absolute() and not any(part.startswith(".") for part in path.parts)
        format = named_format(path)
        if plain and format is not None and format not in PROSE:
            groups.setdefault(_split_of(path), []).append(name)
    return groups


def _split_of(path: PurePosixPath) -> str:
    folders = [folder for folder in path.parts[:-1] if folder != "data"]
    if folders and folders[-1].lower() in _WORDS:
        return "/".join(folders)
    stem = path.name.split(".")[0] if path.suffix != ".gz" else path.with_suffix("").stem
    return "/".join([*folders, _NUMBERS.sub("", stem) or stem])


def _chosen(groups: dict[str, list[str]], wanted: str | None, shown: str) -> str:
    if wanted in groups:
        return str(wanted)
    if wanted is None and len(groups) == 1:
        return next(iter(groups))
    fitting = [name for name in groups if _has_word(name, wanted or "train")]
    if len(fitting) == 1:
        return fitting[0]
    named = shown if wanted is None else shown.removesuffix(f":{wanted}")
    known = ", ".join(fitting or groups)
    if wanted is not None and not fitting:
        raise NotThere(f"{named} has no split {wanted!r} but {known}; write {named}:{next(iter(groups))}")
    raise DataError(f"{shown} may mean {known}; name one, such as {named}:{(fitting or list(groups))[0]}")


def _has_word(name: str, word: str) -> bool:
    return re.search(rf"(?<![a-z0-9]){re.escape(word.lower())}(?![a-z0-9])", name.lower()) is not None


def _check_parts(files: Sequence[str], shown: str) -> None:
    """A split that was downloaded in part must not be taken for the whole."""
    for file in files:
        part = _SHARD.search(file)
        if part is None:
            continue
        whole = int(part[2])
        there = sum(1 for other in files if (match := _SHARD.search(other)) and int(match[2]) == whole)
        if there < whole:
            raise NotThere(
                f"{shown}: {there} of {whole} parts are here, {file} among them; download the others"
            )
