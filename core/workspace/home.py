"""The folder that holds all state: `./.tunery`, or `$TUNERY_HOME`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Workspace:
    """Paths below the workspace folder. Making one touches nothing on disk."""

    root: Path

    @property
    def index(self) -> Path:
        """The SQLite index and queue; it can be rebuilt from the folders."""
        return self.root / "tunery.db"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def models(self) -> Path:
        """Base models that were unpacked from a package or a GGUF file."""
        return self.root / "models"

    @property
    def servers(self) -> Path:
        return self.root / "servers"

    @property
    def trash(self) -> Path:
        return self.root / "trash"

    @property
    def locks(self) -> Path:
        """One file a device, held with flock by the run that uses it."""
        return self.root / "locks"

    def run(self, run_id: str) -> Path:
        return self.runs / run_id

    def artifact(self, kind: str, fingerprint: str) -> Path:
        return self.artifacts / kind / fingerprint


def find_workspace() -> Workspace:
    """The workspace of this process: `$TUNERY_HOME`, or `.tunery` in the current folder."""
    named = os.environ.get("TUNERY_HOME")
    return Workspace((Path(named).expanduser() if named else Path(".tunery")).resolve())
