"""Data of an earlier run: `run:NAME` in a recipe becomes the file that holds that run's training rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.jobs.outputs import dataset_folder
from core.jobs.records import find_run
from core.workspace.home import Workspace
from tunery.errors import NotThere

if TYPE_CHECKING:
    from core.recipe.data import DataSection
    from core.recipe.recipe import Recipe

RUN = "run:"
ROWS_FILE = "train.jsonl"


def with_earlier_data(recipe: Recipe, workspace: Workspace) -> Recipe:
    """The recipe with files instead of runs in `data.sources` and `data.replay`.

    Raises NotThere when there is no such run, or it has no dataset.
    """
    return recipe.model_copy(update={"data": _resolved(recipe.data, workspace)})


def _resolved(data: DataSection, workspace: Workspace) -> DataSection:
    from core.recipe.data import TestFile

    sources = tuple(
        source.model_copy(update={"path": _rows_of(source.path.removeprefix(RUN), workspace)})
        if source.path.startswith(RUN)
        else source
        for source in data.sources
    )
    split = data.split
    if isinstance(split.test, TestFile) and split.test.path.startswith(RUN):
        path = _rows_of(split.test.path.removeprefix(RUN), workspace)
        split = split.model_copy(update={"test": split.test.model_copy(update={"path": path})})
    replay = data.replay
    if replay is not None and not Path(replay.run).is_absolute():
        replay = replay.model_copy(update={"run": _rows_of(replay.run.removeprefix(RUN), workspace)})
    return data.model_copy(update={"sources": sources, "split": split, "replay": replay})


def _rows_of(name: str, workspace: Workspace) -> str:
    rows = dataset_folder(workspace, find_run(workspace, name)) / ROWS_FILE
    if not rows.is_file():
        raise NotThere(f"the dataset of {name} is gone; run its recipe again with --until prepare")
    return str(rows.resolve())
