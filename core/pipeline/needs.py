"""What the steps take from the disk and the machine: files they read, dtype, room they need.

Called by the light worker with sections as JSON; room is rough and errs upwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

MEGABYTE = 2**20

Section = Mapping[str, Any]
Inputs = Mapping[str, Path]


def data_files(section: Section, recipe_folder: Path) -> dict[str, Path]:
    """The source files of the data section, and the test file where there is one."""
    data = section["data"]
    files = {
        f"source {number}": _path(source["path"], recipe_folder)
        for number, source in enumerate(data["sources"])
    }
    if isinstance(test := data["split"]["test"], Mapping):
        files["test"] = _path(test["path"], recipe_folder)
    return files


def training_facts(section: Section) -> dict[str, str]:
    """The dtype that the machine trains in."""
    from core.models.hardware import pick_precision

    return {"dtype": pick_precision(str(section["precision"]))}


def prepare_room(section: Section, _inputs: Inputs, recipe_folder: Path) -> int:
    """Rows once more as JSON, and 4 bytes and a mark for each of about a token in 3 bytes."""
    sources = sum(path.stat().st_size for path in data_files(section, recipe_folder).values())
    return 4 * sources + 4 * MEGABYTE


def train_room(section: Section, inputs: Inputs, _recipe_folder: Path) -> int:
    """Adapters with two optimizer moments, for every checkpoint kept and one more being written."""
    share = min(1.0, 0.004 * float(section["lora"]["rank"]))
    return int(_weights(inputs) * share * 3 * (int(section["keep_last"]) + 2)) + 16 * MEGABYTE


def export_room(_section: Section, inputs: Inputs, _recipe_folder: Path) -> int:
    """Merged weights, the f16 file and the quantized one, none larger than the base in float32."""
    return 3 * _weights(inputs) + 16 * MEGABYTE


def evaluate_room(_section: Section, inputs: Inputs, _recipe_folder: Path) -> int:
    """The base as an f16 file, the tuned model where no export left it, and rows of text."""
    return 2 * _weights(inputs) + 16 * MEGABYTE


def _weights(inputs: Inputs) -> int:
    return sum(path.stat().st_size for path in inputs["base"].glob("*.safetensors"))


def _path(text: str, folder: Path) -> Path:
    return folder / Path(text).expanduser()
