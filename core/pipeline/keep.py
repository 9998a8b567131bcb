"""Artifacts come into being whole, and are looked over before they are used again."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from core.workspace.artifacts import ARTIFACT_FILE, read_artifact
from core.workspace.home import Workspace
from tunery.errors import TuneryError
from tunery.files import PARTIAL, flush_tree
from tunery.hashes import sha256_file


def partial_folder(artifact: Path, run_id: str, step: str) -> Path:
    """Where an artifact is filled: beside its place, named for the run that can clear it away."""
    return artifact.with_name(f"{PARTIAL}{run_id}-{step}")


def clear_partials(workspace: Workspace, run_id: str) -> None:
    """Remove what killed steps of a run left; call it only while no step of it works."""
    for folder in workspace.artifacts.glob(f"*/{PARTIAL}{run_id}-*"):
        shutil.rmtree(folder, ignore_errors=True)


def keep(partial: Path, artifact: Path) -> None:
    """Put a filled folder, with its `artifact.json`, in its place; an equal one there already stays."""
    flush_tree(partial)
    if artifact.exists():
        shutil.rmtree(partial)
        return
    os.rename(partial, artifact)
    descriptor = os.open(artifact.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def look_over(artifact: Path, fingerprint: str) -> str | None:
    """What is wrong with an artifact, or None; cheap, for files that nobody touched.

    `artifact.json` is written last: a file that is not newer than it was not written
    to since, and its hash is only computed again when it is.
    """
    try:
        record = read_artifact(artifact)
    except TuneryError as error:
        return str(error)
    if record.fingerprint != fingerprint:
        return f"{artifact} holds the artifact of another fingerprint"
    written = (artifact / ARTIFACT_FILE).stat().st_mtime_ns
    for name, digest in record.files.items():
        path = artifact / name
        if not path.is_file():
            return f"{path} is missing"
        if path.stat().st_mtime_ns > written and sha256_file(path) != digest:
            return f"{path} was changed"
    return None
