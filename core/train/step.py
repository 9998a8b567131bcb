"""The train step: base model and dataset in, adapter and curves out."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.models.adapters import apply_adapters, carry_adapters
from core.models.dataset import Dataset, TokenRows
from core.recipe.sections import TrainStage
from core.train.errors import TrainingFailed, is_out_of_memory
from core.workspace.events import Log, RunResumed, Warned
from core.workspace.steps import StepContext, StepResult
from tunery.errors import BadInput
from tunery.files import need_room, read_json
from tunery.hashes import sha256_file, sha256_json

if TYPE_CHECKING:
    from core.train.batches import Collator
    from core.train.checkpoints import Checkpoints, Position
    from core.train.schedule import Schedule
    from core.train.trainer import SftTrainer

CURVES = "curves.jsonl"


@dataclass(frozen=True)
class _Material:
    """What a stage is made from. `previous` is the artifact of the stage before it."""

    base: Path
    base_name: str
    train: TokenRows
    validation: TokenRows
    previous: Path | None


def train(stage: TrainStage, ctx: StepContext) -> StepResult:
    """Tune an adapter on the dataset, and leave the one with the lowest validation loss in `ctx.out`.

    Goes on from the last whole checkpoint in `ctx.work`, if there is one. Raises
    Stopped when a person asked for it, BadInput when the stage does not fit the data or
    the model, TrainingFailed when the loss is no longer a number or memory ran out.
    """
    from core.models.hardware import pick_precision
    from core.train.checkpoints import Checkpoints

    material = _gather(stage, ctx)
    precision = pick_precision(stage.precision)
    checkpoints = Checkpoints(ctx.work, _key(stage, ctx, precision), stage.keep_last)
    checkpoint = checkpoints.find_last(lambda text: ctx.emit(Warned(text=text)))
    began = time.monotonic()
    try:
        trainer, schedule = _build(stage, ctx, material, precision, checkpoints)
        if checkpoint:
            ctx.emit(RunResumed(at=checkpoint.position.step))
        position = trainer.run(checkpoint)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise TrainingFailed(
            f"{ctx.step} ran out of memory; set train.micro_batch to 1, lower train.max_length or "
            "train.lora.rank, or choose a smaller base model"
        ) from None
    earlier = _leave(trainer, checkpoints, position, material, ctx)
    details = {
        "base": material.base_name,
        "precision": precision,
        "exported": "the last step's weights" if position.best_step is None else "lowest validation loss",
        "earlier_stages": earlier,
        "seconds": round(time.monotonic() - began, 1),
        "resumed_from": checkpoint.position.step if checkpoint else None,
    }
    return StepResult(metrics=_metrics(position, schedule), details=details)


def _gather(stage: TrainStage, ctx: StepContext) -> _Material:
    dataset = Dataset.open(ctx.inputs["dataset"])
    rows = dataset.split("train")
    if not len(rows):
        raise BadInput("the dataset has no rows to train on; lower data.split.validation and data.split.test")
    longest = int(rows.lengths.max())
    if longest > stage.max_length:
        raise BadInput(
            f"the longest row has {longest} tokens and {ctx.step} takes {stage.max_length}; "
            "raise its max_length to that of the first stage"
        )
    base = ctx.inputs["base"]
    name = str(read_json(base / "model.json")["name"])
    return _Material(base, name, rows, dataset.split("validation"), ctx.inputs.get("model"))


def _key(stage: TrainStage, ctx: StepContext, precision: str) -> str:
    """What a checkpoint has to have in common with this training to be gone on from."""
    roles = {"base": "model.json", "dataset": "train.ids.npy", "model": "adapter_model.safetensors"}
    files = {role: sha256_file(ctx.inputs[role] / name) for role, name in roles.items() if role in ctx.inputs}
    return sha256_json({"stage": stage.model_dump(mode="json"), "files": files, "precision": precision})


def _build(
    stage: TrainStage, ctx: StepContext, material: _Material, precision: str, checkpoints: Checkpoints
) -> tuple[SftTrainer, Schedule]:
    import torch

    from core.train.layers import check_output_layer, speed_up
    from core.train.lora import add_lora
    from core.train.packing import check_rows_apart
    from core.train.reporting import Curves, Reporter
    from core.train.schedule import plan_schedule
    from core.train.trainer import Asked, SftTrainer

    schedule = plan_schedule(stage, len(material.train))
    model = add_lora(_load_base(material, precision), stage, material.base_name)
    learning = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    # Weights and Adam's two moments; while one is written there is one more than are kept.
    need_room(ctx.work, 4 * learning * (3 * (stage.keep_last + 1) + 3), f"the checkpoints of {ctx.step}")
    probe = torch.from_numpy(material.train[0].ids[:64].astype("int64")).unsqueeze(0)
    check_output_layer(model, probe)
    if not speed_up(model, probe):
        ctx.emit(
            Warned(text="this model's layers differ from what they look like; training with its own, slower")
        )
    trainer = SftTrainer(
        model,
        stage,
        schedule,
        _collator(stage),
        material.train,
        material.validation,
        checkpoints,
        Reporter(ctx.emit, Curves(ctx.work / CURVES), schedule.steps),
        Asked(ctx.stop_requested, ctx.checkpoint_requested),
    )
    if stage.packing:
        check_rows_apart(model)
    ctx.emit(
        Log(
            text=f"{schedule.steps} steps on {len(material.train)} rows in {precision}, "
            f"{learning / 1e6:.2f} million weights learn"
        )
    )
    return trainer, schedule


def _collator(stage: TrainStage) -> Collator:
    """How the rows of an optimizer step are laid out for the model."""
    from core.train.batches import PaddingCollator
    from core.train.packing import PackingCollator

    if stage.packing:
        return PackingCollator(room=stage.max_length, most_rows=stage.micro_batch)
    return PaddingCollator(tokens_per_pass=2048, rows_per_pass=stage.micro_batch)


def _load_base(material: _Material, precision: str) -> Any:
    """The model that this stage begins from, in the arithmetic it is trained in."""
    import torch

    from core.models.load import load_model

    if material.previous is None:
        return load_model(material.base, dtype=precision)
    # Merged in float32, as the export will be: a bfloat16 merge loses small updates.
    merged = apply_adapters(load_model(material.base, dtype="float32"), material.previous)
    return merged.to(getattr(torch, precision))


def _leave(
    trainer: SftTrainer, checkpoints: Checkpoints, position: Position, material: _Material, ctx: StepContext
) -> int:
    """Put the best adapter, the earlier stages' and the curves into the artifact; counts the earlier."""
    from core.models.adapters import CONFIG, WEIGHTS, save_adapter

    if position.best_step is None:
        save_adapter(trainer.model, ctx.out)
    else:
        for name in (CONFIG, WEIGHTS):
            shutil.copyfile(checkpoints.best(position.best_step) / name, ctx.out / name)
    shutil.copyfile(ctx.work / CURVES, ctx.out / CURVES)
    return carry_adapters(material.previous, ctx.out) if material.previous else 0


def _metrics(position: Position, schedule: Schedule) -> dict[str, float | None]:
    return {
        "steps": schedule.steps,
        "validation_loss": position.best_loss,
        "best_step": schedule.steps if position.best_step is None else position.best_step,
        "trained_tokens": position.trained,
        "masked_tokens": position.masked,
    }
