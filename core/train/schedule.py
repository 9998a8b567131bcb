"""How many steps a stage has, after which of them what is done, and how fast it learns at each."""

from __future__ import annotations

import math
from dataclasses import dataclass

from core.recipe.sections import TrainStage


@dataclass(frozen=True)
class Schedule:
    """How many optimizer steps there are, and after which of them what is done."""

    steps: int
    evaluate_every: int
    save_every: int

    def evaluates(self, step: int) -> bool:
        return step % self.evaluate_every == 0 or step == self.steps

    def saves(self, step: int) -> bool:
        return step % self.save_every == 0 or step == self.steps


def plan_schedule(stage: TrainStage, rows: int) -> Schedule:
    """Steps of the whole stage; validation and checkpoints ten times unless it says otherwise."""
    steps = max(1, math.ceil(stage.epochs * math.ceil(rows / stage.batch_size)))
    steps = min(steps, stage.max_steps or steps)
    tenth = math.ceil(steps / 10)
    return Schedule(steps, stage.evaluate_every or tenth, stage.save_every or tenth)


def rate_factor(step: int, *, stage: TrainStage, steps: int) -> float:
    """Share of the peak learning rate at step `step`, counted from 0, of `steps`; always above zero."""
    warm = math.ceil(stage.warmup * steps)
    if step < warm:
        return (step + 1) / (warm + 1)
    done = (step - warm) / max(1, steps - warm)
    if stage.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * done)) if stage.schedule == "cosine" else 1.0 - done
