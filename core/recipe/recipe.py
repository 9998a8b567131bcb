"""The whole recipe, composed of its sections."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator

from core.recipe.data import DataSection
from core.recipe.sections import EvaluateSection, Export, ModelSection, TrainStage
from serve.config import ServeSection
from tunery.section import Section, setting


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, dict) else value


class Recipe(Section):
    """Everything that a run needs to know. A recipe that loaded is one that can run."""

    name: str = setting(
        pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", about="Short name: lower-case letters, digits, - . _"
    )
    model: ModelSection = setting(about="Which model is tuned.")
    data: DataSection = setting(about="What it learns from.")
    train: Annotated[tuple[TrainStage, ...], BeforeValidator(_one_or_many)] = setting(
        (TrainStage(),), min_length=1, about="One stage, or a list of stages in order."
    )
    export: Annotated[tuple[Export, ...], BeforeValidator(_one_or_many)] = setting(
        (Export(),), about="Forms in which the tuned model is written."
    )
    evaluate: EvaluateSection = setting(EvaluateSection(), about="How it is measured.")
    serve: ServeSection = setting(ServeSection(), about="How it answers over HTTP.")
