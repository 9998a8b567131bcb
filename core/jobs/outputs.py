"""What a run made, for those who want to read, serve or talk to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.workspace.home import Workspace
from tunery.errors import NotThere
from tunery.files import read_json

if TYPE_CHECKING:
    from core.jobs.records import RunRecord
    from serve.config import ServeSection


@dataclass(frozen=True)
class ExportedModel:
    """One export of a run; `size` is that of its weights in bytes."""

    step: str
    quant: str | None
    size: int
    folder: Path


def exports_of(workspace: Workspace, record: RunRecord) -> list[ExportedModel]:
    """The finished exports, in the recipe's order. Each has passed parity: else its step had failed.

    Raises NotThere when there is none.
    """
    found = []
    for step, folder in _artifacts(workspace, record, lambda step: step.startswith("export[")):
        manifest = read_json(folder / "model.json")
        size = sum((folder / name).stat().st_size for name in manifest["weights"])
        found.append(ExportedModel(step, manifest.get("quant"), size, folder))
    if not found:
        raise NotThere(
            f"run {record.id} is {record.state} and has exported nothing yet; "
            f"`tunery attach {record.id}` shows how far it is"
        )
    return found


def export_to_serve(workspace: Workspace, record: RunRecord, wanted: str) -> ExportedModel:
    """The export with the quantization `wanted`, or for "auto" the smallest. Raises NotThere."""
    exports = exports_of(workspace, record)
    if wanted == "auto":
        return min(exports, key=lambda export: export.size)
    for export in exports:
        if export.quant == wanted:
            return export
    there = ", ".join(str(export.quant) for export in exports)
    raise NotThere(f"run {record.id} has no export {wanted!r}; it has {there}")


def parity_certificates(workspace: Workspace, record: RunRecord) -> list[dict[str, Any]]:
    """The certificate of every export that was compared, in the recipe's order, failed ones too.

    Raises NotThere when there is none.
    """
    finished = dict(_artifacts(workspace, record, lambda step: step.startswith("export[")))
    found = []
    for step in record.steps:
        # A refused export has no artifact; its certificate stays where the step worked.
        folder = finished.get(step.step, record.folder / "work" / step.step)
        if step.step.startswith("export[") and (folder / "parity.json").is_file():
            found.append(read_json(folder / "parity.json"))
    if not found:
        raise NotThere(
            f"run {record.id} is {record.state} and has compared no export yet; "
            f"`tunery attach {record.id}` shows how far it is"
        )
    return found


def report_folder(workspace: Workspace, record: RunRecord) -> Path:
    """The artifact of the evaluate step. Raises NotThere when it has not finished."""
    for _, folder in _artifacts(workspace, record, lambda step: step == "evaluate"):
        return folder
    raise NotThere(
        f"run {record.id} is {record.state} and has no report yet; "
        f"`tunery attach {record.id}` shows how far it is"
    )


def dataset_folder(workspace: Workspace, record: RunRecord) -> Path:
    """The artifact of the prepare step. Raises NotThere when it has not finished."""
    for _, folder in _artifacts(workspace, record, lambda step: step == "prepare"):
        return folder
    raise NotThere(
        f"run {record.id} is {record.state} and has prepared no data yet; "
        f"`tunery attach {record.id}` shows how far it is"
    )


def serve_section_of(record: RunRecord) -> ServeSection:
    """How the run's recipe wants its model to be served."""
    from serve.config import ServeSection
    from tunery.yaml_lines import read_yaml

    recipe = read_yaml(record.folder / "recipe.yaml").value or {}
    return ServeSection.model_validate(recipe.get("serve") or {})


def _artifacts(
    workspace: Workspace, record: RunRecord, wanted: Callable[[str], bool]
) -> list[tuple[str, Path]]:
    """Step and folder of every wanted step that is done and whose artifact is there."""
    found = []
    for step in record.steps:
        if wanted(step.step) and step.artifact:
            folder = workspace.artifacts / step.artifact
            if (folder / "artifact.json").is_file():
                found.append((step.step, folder))
    return found
