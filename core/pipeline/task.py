"""One step of one run, ready to be done: its inputs, its fingerprint, where its artifact goes.

A fingerprint is a hash of everything that the result depends on, by content: the
section without folders, the data files' bytes, the base model's files, the inputs'
fingerprints, the step's version, library versions, the dtype and the kind of device.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from core.pipeline.plan import Plan, Stage
from core.pipeline.steps import StepKind, load
from core.workspace.home import Workspace
from tunery.errors import BadInput, BrokenIntegrity
from tunery.files import read_json, write_json_whole
from tunery.hashes import sha256_file, sha256_json

TASKS = "tasks"
# Keys of a section that say where something lies; what lies there counts by its content.
_PLACES = ("path", "run")


@dataclass(frozen=True)
class Base:
    """The base model: where it lies on this machine, and the hash of its content."""

    folder: str
    digest: str


@dataclass(frozen=True)
class Task:
    """What the child is told. `inputs` maps roles to folders, `hashes` to their content."""

    step: str
    fingerprint: str
    artifact: str
    inputs: Mapping[str, str]
    hashes: Mapping[str, str]
    libraries: Mapping[str, str]
    facts: Mapping[str, Any] = field(default_factory=dict)


def make_task(
    plan: Plan, stage: Stage, kind: StepKind, base: Base, made: Mapping[str, Task], root: Workspace
) -> Task:
    """The task of `stage`; `made` holds the tasks of the steps that it needs.

    Raises BadInput when a data file is gone.
    """
    hashes = {"base": base.digest, **{role: made[step].fingerprint for role, step in stage.needs.items()}}
    hashes |= _content(kind, stage, Path(plan.recipe_folder))
    libraries = {name: _version(name) for name in kind.libraries}
    facts = {"device": plan.device_kind, **(load(kind.facts)(stage.section) if kind.facts else {})}
    fingerprint = sha256_json(
        {
            "kind": stage.kind,
            "version": kind.version,
            "section": _without_folders(stage.section),
            "inputs": hashes,
            "libraries": libraries,
            "facts": facts,
            "name": plan.name if kind.named else None,
        }
    )
    inputs = {"base": base.folder, **{role: made[step].artifact for role, step in stage.needs.items()}}
    artifact = str(root.artifact(kind.artifact, fingerprint))
    return Task(stage.step, fingerprint, artifact, inputs, hashes, libraries, facts)


def base_of(folder: Path) -> Base:
    """A base model by what its `model.json` says of its content; its name does not count."""
    manifest = read_json(folder / "model.json")
    if not isinstance(manifest, dict):
        raise BrokenIntegrity(f"{folder / 'model.json'} is not a manifest; remove the folder and run again")
    return Base(str(folder.resolve()), sha256_json({key: manifest[key] for key in manifest if key != "name"}))


def data_unchanged(kind: StepKind, stage: Stage, recipe_folder: Path, task: Task) -> bool:
    """Whether the files that a step read still are those of its fingerprint."""
    content = _content(kind, stage, recipe_folder)
    return all(task.hashes[name] == digest for name, digest in content.items())


def write_task(run_folder: Path, task: Task) -> None:
    write_json_whole(task_file(run_folder, task.step), asdict(task))


def read_task(run_folder: Path, step: str) -> Task | None:
    """The task that was last written for `step`, if any."""
    try:
        return Task(**read_json(task_file(run_folder, step)))
    except FileNotFoundError:
        return None


def task_file(run_folder: Path, step: str) -> Path:
    return run_folder / TASKS / f"{step}.json"


def _content(kind: StepKind, stage: Stage, recipe_folder: Path) -> dict[str, str]:
    if kind.files is None:
        return {}
    files: dict[str, Path] = load(kind.files)(stage.section, recipe_folder)
    return {name: _hash(path) for name, path in files.items()}


def _hash(path: Path) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise BadInput(f"{path} is not a file; name one file in the recipe")
        return sha256_file(path)
    except OSError as error:
        raise BadInput(
            f"{path} cannot be read ({error.strerror}); put it back, or change the recipe"
        ) from None


def _without_folders(value: Any) -> Any:
    """The section with the names of files and without where they lie."""
    if isinstance(value, Mapping):
        return {
            key: Path(item).name if key in _PLACES else _without_folders(item) for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_without_folders(item) for item in value]
    return value


def _version(distribution: str) -> str:
    """From the installed metadata, so that nothing is imported."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "absent"


def seed_of(section: Mapping[str, Any], path: str | None) -> int:
    """The seed at a dotted path of a section; 0 where there is none."""
    value: Any = section
    for key in path.split(".") if path else ():
        value = value[key]
    return value if isinstance(value, int) else 0


def all_tasks(
    plan: Plan, kinds: Mapping[str, StepKind], base: Base, root: Workspace
) -> Iterator[tuple[Stage, Task]]:
    """Every stage with its task, in order."""
    made: dict[str, Task] = {}
    for stage in plan.stages:
        made[stage.step] = make_task(plan, stage, kinds[stage.kind], base, made, root)
        yield stage, made[stage.step]
