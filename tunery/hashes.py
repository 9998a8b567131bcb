"""Content hashes. All are hex SHA-256."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def sha256_text(text: str) -> str:
    """Hash of the UTF-8 bytes of `text`; lone surrogates are kept apart, not refused."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def sha256_file(path: Path) -> str:
    """Hash of a file's bytes, read in pieces."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_json(value: Any) -> str:
    """Hash of a JSON value in canonical form: sorted keys, no spaces."""
    return sha256_text(json.dumps(value, sort_keys=True, separators=(",", ":")))


def hash_folder(folder: Path) -> dict[str, str]:
    """Relative POSIX path -> SHA-256 for every file below `folder`, sorted."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in files}
