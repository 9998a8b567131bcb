"""Subjects: what is evaluated, and where its weights lie."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core.evaluate.axes import BASE, TUNED
from core.workspace.home import Workspace
from core.workspace.locks import one_at_a_time
from core.workspace.steps import StepContext
from serve.model_folder import MANIFEST_FILE, OpenModel, open_model, read_model_manifest
from tunery.errors import BrokenIntegrity, NotThere
from tunery.files import whole_folder
from tunery.hashes import sha256_file, sha256_json


@dataclass(frozen=True)
class Subject:
    """What is evaluated: weights, engine, knowledge on or off, guards on or off.

    `served` is the model folder that generates. `scored` is the folder whose weights
    the loss is computed with, by `loss_engine`: safetensors for torch, else GGUF.
    """

    name: str
    served: OpenModel
    scored: Path
    loss_engine: Literal["torch", "llama_cpp"]
    engine: Literal["llama_cpp"] = "llama_cpp"
    knowledge: bool = False
    guards: bool = False

    @property
    def served_sha256(self) -> str:
        """Hash of the weights that generate."""
        return _weights_hash(self.served.path)

    @property
    def scored_sha256(self) -> str:
        """Hash of the weights that the loss is computed with."""
        return _weights_hash(self.scored)


def find_subjects(context: StepContext, probes: Sequence[Sequence[int]]) -> list[Subject]:
    """Base, tuned and every export of the run, in this order.

    `probes` are rows of token ids for the check of the merge, where the export step
    has not left a merged model. Raises BrokenIntegrity when a model folder is not
    what its record says, or speaks another chat format than the base.
    """
    base, merged = context.inputs["base"], _merged_model(context, probes).path
    subjects = [
        Subject(BASE, _base_gguf(base, context.workspace), base, "torch"),
        Subject(TUNED, _tuned_gguf(context, merged), merged, "torch"),
        *_exports(context.inputs),
    ]
    template = read_model_manifest(base).template_sha256
    for subject in subjects:
        if subject.served.manifest.template_sha256 != template:
            raise BrokenIntegrity(
                f"{subject.name} has another chat template than the base model, so the same prompts "
                "would not be the same tokens; export it again"
            )
    return subjects


def _exports(inputs: Mapping[str, Path]) -> Iterator[Subject]:
    taken: set[str] = set()
    for role, folder in inputs.items():
        if not role.startswith("export["):
            continue
        served = open_model(folder)
        quant = served.manifest.quant or role
        name = role if quant in taken else quant
        taken.add(quant)
        yield Subject(name, served, folder, "llama_cpp")


def _merged_model(context: StepContext, probes: Sequence[Sequence[int]]) -> OpenModel:
    """The tuned weights in float32; mostly the export step has left them already."""

    def fill(folder: Path) -> None:
        from core.models.merge import merge_adapters

        base, trained = context.inputs["base"], context.inputs["model"]
        merge_adapters(base, trained, folder, name=context.name, probes=probes)

    return _open_or_make(context.shared / "merged", fill)


def _tuned_gguf(context: StepContext, merged: Path) -> OpenModel:
    """The tuned weights as f16 GGUF; mostly the export step has left them already."""

    def fill(folder: Path) -> None:
        from core.models.gguf import write_gguf_model

        base = read_model_manifest(context.inputs["base"]).name
        write_gguf_model(merged, folder, name=context.name, quant="f16", base=base)

    return _open_or_make(context.shared / "gguf-f16", fill)


def _base_gguf(base: Path, workspace: Workspace) -> OpenModel:
    """The base model as f16 GGUF, made once for all runs of the workspace."""
    from core.models.converter import converter_version
    from core.models.gguf import write_gguf_model

    name = read_model_manifest(base).name

    def fill(partial: Path) -> None:
        write_gguf_model(base, partial, name=name, quant="f16")

    key = sha256_json([sha256_file(base / MANIFEST_FILE), converter_version()])
    folder = workspace.models / f"{name.replace('/', '--')}-f16-{key[:12]}"
    with one_at_a_time(workspace, "models"):
        return _open_or_make(folder, fill)


def _open_or_make(folder: Path, fill: Callable[[Path], None]) -> OpenModel:
    """The model in `folder`; made anew by `fill` when it is not there or was changed."""
    try:
        return open_model(folder)
    except (BrokenIntegrity, NotThere):
        with whole_folder(folder) as partial:
            fill(partial)
        return open_model(folder, verify=False)


def _weights_hash(folder: Path) -> str:
    """The hash of a single weights file as it is, of several as a list."""
    manifest = read_model_manifest(folder)
    hashes = [manifest.files[name] for name in manifest.weights]
    return hashes[0] if len(hashes) == 1 else sha256_json(hashes)
