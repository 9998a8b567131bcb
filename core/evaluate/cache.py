"""What was measured already, kept in the step's work folder so that a killed evaluation goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tunery.hashes import sha256_json


class Cache:
    """JSON values under content keys, in one append-only file of JSON lines.

    A line that a killed process left half-written is passed over.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values: dict[str, Any] = {}
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        for line in text.splitlines():
            try:
                key, value = json.loads(line)
            except (ValueError, TypeError):
                continue
            self._values[key] = value
        if text and not text.endswith("\n"):
            self._append("\n")

    def get(self, key: str) -> Any | None:
        return self._values.get(key)

    def put(self, key: str, value: Any) -> None:
        self._values[key] = value
        self._append(json.dumps([key, value]) + "\n")

    def _append(self, line: str) -> None:
        with open(self._path, "a", encoding="utf-8") as handle:
            handle.write(line)


def cache_key(kind: str, **parts: Any) -> str:
    """A key from everything that the value depends on."""
    return sha256_json({"kind": kind, **parts})
