"""The files that a path in the recipe means: one file, a folder, a glob, a saved or a hub dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from core.data.reading.found import Found
from core.data.reading.hub import hub_files
from core.data.reading.look import ACCEPTED, PROSE, FileFormat, is_archive, look_at, named_format
from core.data.reading.saved import saved_files
from core.data.reading.tree import each_once, files_below, is_folder, is_pattern, matching
from core.data.rows import printable
from tunery.errors import BadInput, DataError, NotThere

HUB = "hf:"


@dataclass(frozen=True)
class SourceFile:
    """One file with rows. `shown` is what rows and messages call it, and stands for no other file."""

    path: Path
    shown: str
    format: FileFormat


def find_files(path: str, recipe_folder: Path, taken: set[str]) -> list[SourceFile]:
    """The files that `path` means, in order; `path` as it stands in the recipe.

    Names in `taken` are not given again; those given are added. Files without content
    are left out where there are others. Raises NotThere or DataError when nothing is
    there, or something is that cannot be read.
    """
    found = _find(path, recipe_folder)
    looked = [(file, look_at(file)) for file in found]
    files = [
        SourceFile(file.path, _unique(printable(file.shown), taken), format)
        for file, format in looked
        if format is not None
    ]
    if not files:
        what = f"{found[0].shown} is empty" if len(found) == 1 else f"all files of {path} are empty"
        raise DataError(f"{what}; write rows into it, or remove it from the recipe")
    return files


def recipe_files(path: str, recipe_folder: Path) -> list[Path]:
    """Where those files lie, without opening them: for what needs their content and not their rows."""
    return [file.path for file in _find(path, recipe_folder)]


def _find(path: str, recipe_folder: Path) -> Sequence[Found]:
    if path.startswith(HUB):
        return hub_files(path)
    named = _expanded(path)
    # Where a person keeps files on this machine is nobody else's business.
    shown = named.name if named.is_absolute() else named.as_posix()
    whole = Found(recipe_folder / named, shown)
    if is_folder(whole):
        return saved_files(whole) or _with_rows(files_below(whole), path)
    if is_pattern(path) and not whole.path.exists():
        return _with_rows(matching(named, recipe_folder), path)
    return [whole]


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise NotThere(f"{path} begins with the home of nobody here; correct data.sources") from None


def _with_rows(found: Sequence[Found], path: str) -> list[Found]:
    """The files of records, or those of prose where there are none; each once, in one order everywhere."""
    named = [(file, named_format(file.path)) for file in found]
    records = [file for file, format in named if format is not None and format not in PROSE]
    chosen = records or [file for file, format in named if format in PROSE]
    if not chosen:
        raise _nothing(path, [file for file in found if is_archive(file.path)])
    return each_once(chosen)


def _nothing(path: str, archives: Sequence[Found]) -> BadInput:
    if archives:
        return DataError(f"{printable(path)} holds archives only, such as {archives[0].shown}; unpack them")
    return NotThere(f"{printable(path)} holds no file that Tunery reads; use {ACCEPTED}")


def _unique(name: str, taken: set[str]) -> str:
    """The name, with a number where another file has it."""
    unique = next(new for n in count(1) if (new := name if n == 1 else f"{name} ({n})") not in taken)
    taken.add(unique)
    return unique
