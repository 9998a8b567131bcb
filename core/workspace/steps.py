"""What the pipeline hands to a step, and what a step gives back.

A step is a function `(section, context) -> StepResult`. It reads its section and
its inputs, writes files into `context.out`, reports through `context.emit`, and
knows nothing of runs, databases or screens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.workspace.events import Emit
from core.workspace.home import Workspace


@dataclass(frozen=True)
class StepContext:
    """One step's surroundings.

    `inputs` maps a role to an artifact folder ("dataset", "model", "export[0]") or,
    for "base", to the folder of the base model. `recipe_folder` is where relative
    paths of the recipe start. `out` is an empty folder that becomes the artifact.
    `work` belongs to this step of this run and survives a kill, for checkpoints.
    `shared` belongs to the run: steps keep there, whole or not at all, what a later
    step would compute again. `stop_requested` says that a person wants the step to
    keep what it has in `work` and raise `tunery.errors.Stopped` soon.
    `checkpoint_requested` is true once for every request to write a checkpoint now.
    """

    step: str
    name: str
    inputs: Mapping[str, Path]
    recipe_folder: Path
    out: Path
    work: Path
    shared: Path
    workspace: Workspace
    emit: Emit
    stop_requested: Callable[[], bool] = lambda: False
    checkpoint_requested: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class StepResult:
    """Figures for `artifact.json`: plain numbers, and anything else that is JSON."""

    metrics: Mapping[str, float | None] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
