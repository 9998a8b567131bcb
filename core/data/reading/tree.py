"""Files below a folder, and files that match a pattern.

Hidden files are passed over. Links are followed; a file or folder that is reached twice
counts once, so that a link that leads upwards neither repeats rows nor goes on for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from glob import has_magic
from pathlib import Path

from core.data.reading.found import Found
from core.data.reading.stream import unreadable

_ANY_DEPTH = "**"

# Device and inode: what a file is, whatever leads to it.
Identity = tuple[int, int]


def is_folder(place: Found) -> bool:
    """Whether a folder is there. Raises DataError when the system does not let us look."""
    try:
        return place.path.is_dir()
    except OSError as error:
        raise unreadable(place, error) from None


def is_pattern(path: str) -> bool:
    return has_magic(path)


def files_below(folder: Found) -> list[Found]:
    """All files in the folder and in its folders. Raises DataError when one cannot be looked into."""
    return [file for inner in _folders(folder) for file in _files(inner)]


def matching(pattern: Path, base: Path) -> list[Found]:
    """The files that a glob means, `*`, `?` and `[...]` within a name and `**` for any folders between."""
    parts = pattern.parts
    fixed = next(n for n, part in enumerate(parts) if has_magic(part))
    known = Path(*parts[:fixed])
    root = Found(base / known, known.name if known.is_absolute() else known.as_posix())
    return list(_match(root, parts[fixed:])) if is_folder(root) else []


def each_once(files: Iterable[Found]) -> list[Found]:
    """The files sorted by path, and of those that are one file the first."""
    first: dict[Identity, Found] = {}
    for file in sorted(files, key=lambda file: file.path.parts):
        first.setdefault(_identity(file), file)
    return list(first.values())


def _match(folder: Found, pattern: Sequence[str]) -> Iterator[Found]:
    first, *rest = pattern
    if first == _ANY_DEPTH:
        for inner in _folders(folder):
            yield from _match(inner, rest) if rest else _files(inner)
    elif rest:
        for child in _children(folder):
            if _fits(child, first) and is_folder(child):
                yield from _match(child, rest)
    else:
        yield from (file for file in _files(folder) if _fits(file, first))


def _fits(child: Found, pattern: str) -> bool:
    return fnmatchcase(child.path.name, pattern)


def _folders(folder: Found) -> Iterator[Found]:
    """The folder and all below it, parents first."""
    waiting = [folder]
    seen: set[Identity] = set()
    while waiting:
        inner = waiting.pop()
        identity = _identity(inner)
        if identity not in seen:
            seen.add(identity)
            yield inner
            waiting.extend(child for child in reversed(_children(inner)) if is_folder(child))


def _files(folder: Found) -> Iterator[Found]:
    return (child for child in _children(folder) if not is_folder(child))


def _children(folder: Found) -> list[Found]:
    try:
        names = sorted(inner.name for inner in folder.path.iterdir() if not inner.name.startswith("."))
    except OSError as error:
        raise unreadable(folder, error) from None
    return [folder.child(name) for name in names]


def _identity(place: Found) -> Identity:
    try:
        facts = place.path.stat()
    except OSError as error:
        raise unreadable(place, error) from None
    return facts.st_dev, facts.st_ino
