"""Artifacts: what a step makes, whole and described by itself.

An artifact is a folder `artifacts/<kind>/<fingerprint>/` with `artifact.json`
and the step's files. It is filled under a temporary name and renamed when whole.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tunery.errors import BrokenIntegrity, NotThere
from tunery.files import read_json, write_json_whole
from tunery.hashes import hash_folder, sha256_file

ARTIFACT_FILE = "artifact.json"
SCHEMA = 1


@dataclass(frozen=True)
class Artifact:
    """What `artifact.json` says.

    `inputs` maps a role ("dataset", "model") to the fingerprint of an artifact, or
    to the content hash of a file or base model. `files` maps relative paths to
    SHA-256. `metrics` are plain numbers. `libraries` maps names to versions.
    """

    kind: str
    name: str
    fingerprint: str
    step: str
    inputs: dict[str, str]
    files: dict[str, str]
    metrics: dict[str, float | None]
    seed: int
    code_version: str
    libraries: dict[str, str]
    run: str
    created: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA


def write_artifact(folder: Path, artifact: Artifact) -> Artifact:
    """Hash every file of `folder`, write `artifact.json` as its last file, return it."""
    files = {name: digest for name, digest in hash_folder(folder).items() if name != ARTIFACT_FILE}
    whole = Artifact(**{**asdict(artifact), "files": files, "created": _now()})
    write_json_whole(folder / ARTIFACT_FILE, asdict(whole))
    return whole


def read_artifact(folder: Path) -> Artifact:
    """Read `artifact.json`. Raises NotThere without one, BrokenIntegrity for a foreign one."""
    path = folder / ARTIFACT_FILE
    if not path.is_file():
        raise NotThere(f"{folder} holds no artifact.json, so it is not an artifact; check the path")
    value = read_json(path)
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        raise BrokenIntegrity(f"{path} was written by another version of Tunery; make the artifact again")
    try:
        return Artifact(**value)
    except TypeError as error:
        raise BrokenIntegrity(f"{path} does not describe an artifact ({error}); make it again") from None


def verify_artifact(folder: Path) -> Artifact:
    """Read an artifact and compare every file with its hash.

    Raises BrokenIntegrity that names the first file that is missing or differs.
    """
    artifact = read_artifact(folder)
    for name, digest in artifact.files.items():
        path = folder / name
        if not path.is_file():
            raise BrokenIntegrity(f"{path} is missing though artifact.json lists it; make the artifact again")
        if sha256_file(path) != digest:
            raise BrokenIntegrity(f"{path} is not the file that was written; make the artifact again")
    return artifact


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
