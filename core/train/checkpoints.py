"""Checkpoints that are whole or not there, and which of them to go on from.

    work/checkpoints/step-00000120/   weights, optimizer, scheduler, random states, checkpoint.json
    work/best/step-00000100/          the adapter with the lowest validation loss

`checkpoint.json` names every file with its hash. A folder is renamed into place when
all of it is on the disk; one that was damaged later is passed over for an older one.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path

from tunery.errors import BrokenIntegrity
from tunery.files import read_json, remove_partials, whole_folder, write_json_whole
from tunery.hashes import hash_folder

RECORD = "checkpoint.json"


@dataclass(frozen=True)
class Position:
    """Where a training stands after optimizer step `step`.

    `trained` and `masked` count tokens so far. `best_step` had the lowest validation
    loss so far, `best_loss`. `evaluation_due` says that the step should have been
    validated and was not yet, because a person stopped the training there.
    """

    step: int = 0
    trained: int = 0
    masked: int = 0
    best_step: int | None = None
    best_loss: float | None = None
    evaluation_due: bool = False


@dataclass(frozen=True)
class Checkpoint:
    folder: Path
    position: Position


class Checkpoints:
    """The checkpoints of one training. `key` tells it from every other training."""

    def __init__(self, work: Path, key: str, keep_last: int) -> None:
        self.folder = work / "checkpoints"
        self.best_folder = work / "best"
        self._key = key
        self._keep_last = keep_last

    def find_last(self, warn: Callable[[str], None]) -> Checkpoint | None:
        """The newest whole checkpoint of this training; `warn` hears of those passed over.

        Removes what killed writers left behind: call it before anything is written.
        """
        for folder in (self.folder, self.best_folder):
            remove_partials(folder)
        for folder in sorted(self.folder.glob("step-*"), reverse=True):
            try:
                return Checkpoint(folder, self._read(folder))
            except (BrokenIntegrity, FileNotFoundError, KeyError, TypeError) as error:
                warn(f"checkpoint {folder.name} cannot be used ({error}); going on from an older one")
                shutil.rmtree(folder, ignore_errors=True)
        return None

    def write(self, position: Position, fill: Callable[[Path], None]) -> Path:
        """Write a checkpoint: `fill` puts its files into the folder it is handed."""
        path = self.folder / _name(position.step)
        with whole_folder(path) as folder:
            fill(folder)
            record = {"key": self._key, "position": asdict(position), "files": hash_folder(folder)}
            write_json_whole(folder / RECORD, record)
        self._drop_old(position)
        return path

    def writing_best(self, step: int) -> AbstractContextManager[Path]:
        """A folder that becomes the best adapter, that of `step`, when the block ends well."""
        return whole_folder(self.best_folder / _name(step))

    def best(self, step: int) -> Path:
        return self.best_folder / _name(step)

    def _read(self, folder: Path) -> Position:
        record = read_json(folder / RECORD)
        if record["key"] != self._key:
            raise BrokenIntegrity("it belongs to a training with other settings or data")
        present = {name: digest for name, digest in hash_folder(folder).items() if name != RECORD}
        if present != record["files"]:
            raise BrokenIntegrity("a file in it is missing or is not what was written")
        position = Position(**record["position"])
        if position.best_step is not None and not self.best(position.best_step).is_dir():
            raise BrokenIntegrity("the best adapter that it names is gone")
        return position

    def _drop_old(self, position: Position) -> None:
        """Keep the last few checkpoints, and every best adapter that one of them names."""
        folders = sorted(self.folder.glob("step-*"))
        for folder in folders[: -self._keep_last]:
            shutil.rmtree(folder, ignore_errors=True)
        named = {position.best_step}
        for folder in folders[-self._keep_last :]:
            try:
                named.add(read_json(folder / RECORD)["position"]["best_step"])
            except (BrokenIntegrity, FileNotFoundError, KeyError, TypeError):
                continue  # a damaged checkpoint names nothing; find_last passes over it
        for folder in self.best_folder.glob("step-*"):
            if folder.name not in {_name(step) for step in named if step is not None}:
                shutil.rmtree(folder, ignore_errors=True)


def _name(step: int) -> str:
    return f"step-{step:08d}"
