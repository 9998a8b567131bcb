"""A small dataset that a tiny model can learn, and a step's surroundings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.models.dataset import write_tokens
from core.workspace.events import Event
from core.workspace.home import Workspace
from core.workspace.steps import StepContext


def write_dataset(
    folder: Path, *, train: int = 36, validation: int = 6, longest: int = 48, shift: int = 0
) -> Path:
    """Rows that count upwards by their length: a rule, so that validation loss falls as training does.

    With `shift`, the validation rows have other tokens, so that training makes them worse.
    """
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(3)
    for name, rows in (("train", train), ("validation", validation), ("test", 0)):
        lengths = random.integers(8, longest, rows)
        first = 1000 + (shift if name == "validation" else 0)
        ids = [first + (np.arange(length) * 3 + length) % 200 for length in lengths]
        trained = [np.arange(length) >= length // 3 for length in lengths]
        write_tokens(
            folder,
            name,
            np.concatenate([np.zeros(0, np.int32), *ids]),
            np.concatenate([np.zeros(0, np.bool_), *trained]),
            np.cumsum([0, *lengths]),
        )
    return folder


@dataclass
class Surroundings:
    """One training's folders and what it emitted; `again()` makes a context on the same work folder."""

    root: Path
    inputs: dict[str, Path]
    events: list[Event] = field(default_factory=list)
    count: int = 0

    def again(
        self, stop: Callable[[], bool] = lambda: False, checkpoint: Callable[[], bool] = lambda: False
    ) -> StepContext:
        self.count += 1
        folders = {name: self.root / name for name in (f"out{self.count}", "work", "shared")}
        for folder in folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        out, work, shared = folders.values()
        return StepContext(
            "train[0]",
            "tiny",
            self.inputs,
            self.root,
            out,
            work,
            shared,
            Workspace(self.root),
            self.events.append,
            stop,
            checkpoint,
        )

    def metrics(self, name: str) -> list[tuple[int, float]]:
        found: list[tuple[int, float]] = []
        for event in self.events:
            values: Any = getattr(event, "metrics", {})
            if name in values:
                found.append((event.at, values[name]))  # type: ignore[attr-defined]
        return found


@pytest.fixture(scope="session")
def dataset_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("rows"))


@pytest.fixture
def make_dataset(tmp_path: Path) -> Callable[..., Path]:
    """`make_dataset(train=9, validation=0, longest=48)`: a dataset of the test's own."""

    def make(**settings: int) -> Path:
        return write_dataset(tmp_path / "rows-of-its-own", **settings)

    return make


@pytest.fixture
def surroundings(tmp_path: Path, tiny_model_folder: Path, dataset_folder: Path) -> Surroundings:
    return Surroundings(tmp_path, {"base": tiny_model_folder, "dataset": dataset_folder})
