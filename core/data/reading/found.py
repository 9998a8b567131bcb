"""A file of the recipe's data: where it lies here, and what rows and messages call it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Found:
    """`shown` is the path as the recipe has it, without this machine's folders."""

    path: Path
    shown: str

    def child(self, name: str) -> Found:
        return Found(self.path / name, name if self.shown in ("", ".") else f"{self.shown}/{name}")
