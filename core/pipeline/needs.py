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
    """Every file that the data section means, those of folders, globs and the hub included."""
    from core.data.reading.files import recipe_files

    data = section["data"]
    named = {f"source {number}": source["path"] for number, source in enumerate(data["sources"])}
    if isinstance(test := data["split"]["test"], Mapping):
        named["test"] = test["path"]
    if data.get("replay"):
        named["replay"] = data["replay"]["run"]
    return {
        role if len(files) == 1 else f"{role} file {position}": file
        for role, path in named.items()
        for files in [recipe_files(path, recipe_folder)]
        for position, file in enumerate(_with_content(files))
    }


def _with_content(paths: list[Path]) -> list[Path]:
    """Files, and the files inside of saved tables."""
    return [
        file
        for path in paths
        for file in (
            [path] if not path.is_dir() else sorted(item for item in path.rglob("*") if item.is_file())
        )
    ]


def training_facts(section: Section) -> dict[str, str]:
    """The dtype that the machine trains in."""
    from core.models.hardware import pick_precision

    return {"dtype": pick_precision(str(section["precision"]))}


def prepare_room(section: Section, _inputs: Inputs, recipe_folder: Path) -> int:
    """Rows once in the scratch ledger and once as JSON, a sketch each, 5 bytes for about 3 bytes of text."""
    sources = sum(path.stat().st_size for path in data_files(section, recipe_folder).values())
    return 6 * sources + 4 * MEGABYTE


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
