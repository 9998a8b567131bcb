"""The documents of a folder: Markdown, plain text and HTML, each with its text and its blocks.

Nothing outside of the folder is read, and a file that cannot be used is told, not
guessed at: the rest of the folder is still good.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rag.blocks import Block, Parsed
from rag.markdown import parse_markdown
from rag.webpage import parse_html
from tunery.errors import NotThere
from tunery.files import human_bytes
from tunery.hashes import sha256_text

# A manual of a thousand pages is about 3 MiB; what is larger is data, not a document.
MAX_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Document:
    """One document. `path` is relative to its folder, POSIX.

    `text` is what all offsets count in: of Markdown and plain text the file's own
    characters, of HTML what a person reads. `sha256` is the hash of `text`.
    """

    path: str
    title: str
    text: str
    blocks: tuple[Block, ...]
    sha256: str


@dataclass(frozen=True)
class Skipped:
    """A file that was not read, and why, as half a sentence."""

    path: str
    reason: str


def read_documents(folder: Path) -> Iterator[Document | Skipped]:
    """Every document below `folder`, in the order of their paths; or the one file that `folder` is.

    Hidden files are passed over. Raises NotThere when there is nothing at `folder`.
    """
    if folder.is_file():
        yield _read(folder, folder.name)
        return
    if not folder.is_dir():
        raise NotThere(f"{folder} does not exist; name a folder with {ENDINGS} files")
    seen: dict[str, str] = {}
    for path, shown in sorted(_files(folder), key=lambda entry: entry[1]):
        reason = _out_of_bounds(path, folder)
        found = Skipped(shown, reason) if reason else _read(path, shown)
        if isinstance(found, Document):
            twin = seen.setdefault(found.sha256, shown)
            if twin != shown:
                found = Skipped(shown, f"it says the same as {twin}")
        yield found


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = [name for name in folders if (Path(root) / name).is_symlink()]
        for name in [*names, *links]:
            if not name.startswith("."):
                path = Path(root) / name
                yield path, printable_path(path.relative_to(folder))


def _out_of_bounds(path: Path, folder: Path) -> str | None:
    """Why a path is not opened at all."""
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError):
        return "the link leads nowhere"
    if not real.is_relative_to(folder.resolve()):
        return "the link leads out of the folder"
    if real.is_dir():
        return "it is a link to a folder, which is read where it lies"
    return None if real.is_file() else "it is no ordinary file"


def _read(path: Path, shown: str) -> Document | Skipped:
    parse = _FORMATS.get(path.suffix.lower())
    if parse is None:
        return Skipped(shown, f"it is none of {ENDINGS}")
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            return Skipped(
                shown, f"it is {human_bytes(size)} and a document may have {human_bytes(MAX_BYTES)}"
            )
        content = path.read_bytes()
    except OSError as error:
        return Skipped(shown, f"it cannot be read: {error.strerror}")
    text = _decode(content)
    if text is None or "\0" in text:
        return Skipped(shown, "it is not text in UTF-8; save it as UTF-8")
    try:
        parsed = parse(text)
    except (RecursionError, ValueError) as error:
        return Skipped(shown, f"its markup cannot be read: {error}")
    if not parsed.blocks:
        return Skipped(shown, "it holds no text")
    title = parsed.title or Path(shown).stem
    return Document(shown, title, parsed.text, parsed.blocks, sha256_text(parsed.text))


def _decode(content: bytes) -> str | None:
    utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        return None


def _parse_text(text: str) -> Parsed:
    """Paragraphs are what empty lines part."""
    blocks: list[Block] = []
    start = None
    end = 0
    for line in re.finditer(r"[^\r\n]*(?:\r\n?|\n|\Z)", text):
        if line.group().strip():
            start = line.start() if start is None else start
            end = line.start() + len(line.group().rstrip())
        elif start is not None:
            blocks.append(Block(start, end, "paragraph", ()))
            start = None
    return Parsed(None, text, tuple(blocks))


def printable_path(path: Path) -> str:
    """A path on one line: line breaks and undecodable bytes in names are spelled out."""
    plain = path.as_posix().encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in plain
    )


_FORMATS: dict[str, Callable[[str], Parsed]] = {
    ".md": parse_markdown,
    ".markdown": parse_markdown,
    ".txt": _parse_text,
    ".html": parse_html,
    ".htm": parse_html,
}
ENDINGS = ", ".join(_FORMATS)
