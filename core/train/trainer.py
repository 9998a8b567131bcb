"""The training loop: transformers' Trainer with our batches, loss, checkpoints and reports.

What Trainer still does: the loop, the optimizer and its schedule, devices. Everything
that it would write, print or send is replaced or switched off.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainingArguments

from core.models.adapters import load_adapter_weights, save_adapter
from core.models.dataset import TokenRows
from core.recipe.sections import TrainStage
from core.train.batches import Batch, Collator, LikeLengthBatches, MicroBatch, evaluation_batches
from core.train.checkpoints import Checkpoint, Checkpoints, Position
from core.train.errors import TrainingFailed
from core.train.loss import sum_cross_entropy
from core.train.reporting import Reporter
from core.train.schedule import Schedule, rate_factor
from core.train.state import peak_memory, random_states, restore_random
from tunery.errors import Stopped

OPTIMIZER, SCHEDULER, RANDOM, STATE = "optimizer.pt", "scheduler.pt", "random.pt", "trainer_state.json"


@dataclass(frozen=True)
class Asked:
    """What a person may ask of a running training."""

    stop: Callable[[], bool]
    checkpoint: Callable[[], bool]


class SftTrainer(Trainer):  # type: ignore[misc]  # transformers has no types
    """Supervised fine-tuning of an adapter; one item of the data loader is one optimizer step's batch."""

    lr_scheduler: Any

    def __init__(
        self,
        model: Any,
        stage: TrainStage,
        schedule: Schedule,
        collator: Collator,
        rows: TokenRows,
        validation: TokenRows,
        checkpoints: Checkpoints,
        reporter: Reporter,
        asked: Asked,
    ) -> None:
        super().__init__(
            model=model, args=_arguments(stage, schedule, checkpoints.folder), train_dataset=rows
        )
        self.remove_callback(PrinterCallback)
        self._stage = stage
        self._schedule = schedule
        self._validation = validation
        self._checkpoints = checkpoints
        self._reporter = reporter
        self._asked = asked
        self._batches = LikeLengthBatches(rows.lengths.tolist(), stage.batch_size, stage.seed, schedule.steps)
        self._collator = collator
        self._figures: dict[str, float] = {}
        self._step_began = time.monotonic()
        self.position = Position()
        base = model.get_base_model()
        self._decoder, self._head = base.get_decoder(), base.get_output_embeddings()

    def run(self, checkpoint: Checkpoint | None) -> Position:
        """Train from the beginning or from `checkpoint` to the end.

        Raises Stopped when a person asked for it, TrainingFailed when the loss or the
        gradients are no longer numbers.
        """
        if checkpoint:
            self.position = checkpoint.position
        self._reporter.begin(self.position.step, validated=not self.position.evaluation_due)
        if checkpoint and self.position.evaluation_due:
            load_adapter_weights(self.model, checkpoint.folder)
            if not self._validate():
                raise self._stopped()
        self._step_began = time.monotonic()
        self.train(resume_from_checkpoint=str(checkpoint.folder) if checkpoint else None)
        return self.position

    # Batches and loss.

    def get_train_dataloader(self) -> DataLoader[Any]:
        """All steps of the training as one pass, so that a position is one number."""
        return DataLoader(
            self.train_dataset,
            batch_sampler=self._batches,
            collate_fn=self._collator,
            # Its own generator: the loader draws a seed, and must not move the one that dropout draws from.
            generator=torch.Generator().manual_seed(0),
        )

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, *_: Any) -> tuple[list[Any], None]:
        return [batch for _, batch in zip(range(num_batches), epoch_iterator, strict=False)], None

    def training_step(self, model: nn.Module, inputs: Any, *_: Any) -> Tensor:
        """Gradients of the mean loss over all trained tokens of the batch, however it is divided."""
        batch: Batch = inputs
        model.train()
        loss = torch.zeros((), device=self.args.device)
        for micro in batch.micro:
            part = self._sum_loss(micro) / max(1, batch.trained)
            self.accelerator.backward(part)
            loss += part.detach()
        self._note(batch, loss.item())
        return loss

    def _sum_loss(self, micro: MicroBatch) -> Tensor:
        micro = micro.to(self.args.device)
        hidden = self._decoder(**micro.inputs(), use_cache=False).last_hidden_state
        chosen = hidden.flatten(0, 1).index_select(0, micro.predictors)
        return sum_cross_entropy(chosen, self._head, micro.targets)

    def _note(self, batch: Batch, loss: float) -> None:
        if not math.isfinite(loss):
            raise TrainingFailed(
                f"the loss is {loss} at step {self.state.global_step + 1}; "
                "lower train.learning_rate, or set train.precision: float32"
            )
        at = self.position
        self.position = replace(
            at,
            step=self.state.global_step + 1,
            trained=at.trained + batch.trained,
            masked=at.masked + batch.masked,
            evaluation_due=False,
        )
        self._figures = {"loss": loss, "tokens": float(batch.tokens)}

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Warm-up begins above zero: transformers' own schedules waste the first step on a rate of zero."""
        if self.lr_scheduler is None:
            factor = partial(rate_factor, stage=self._stage, steps=num_training_steps)
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer or self.optimizer, factor)
        return self.lr_scheduler

    def _clip_grad_norm(self, model: nn.Module) -> Tensor:
        norm: Tensor = super()._clip_grad_norm(model)
        self._figures["grad_norm"] = norm.item()
        if not math.isfinite(self._figures["grad_norm"]):
            raise TrainingFailed(
                f"the gradients are not finite at step {self.state.global_step + 1}; "
                "lower train.learning_rate, or set train.precision: float32"
            )
        return norm

    def floating_point_ops(self, *_: Any) -> int:
        return 0

    # After every optimizer step.

    def _maybe_log_save_evaluate(self, *_: Any, learning_rate: float | None = None, **__: Any) -> None:
        if not self._figures:  # Trainer calls this once more when the pass over the data ends.
            return
        self._report(learning_rate or 0.0)
        step, stop = self.position.step, self._asked.stop()
        due = self._schedule.evaluates(step) and len(self._validation) > 0
        self.position = replace(self.position, evaluation_due=due)
        if due and not stop:
            stop = not self._validate()
        asked = self._asked.checkpoint()
        if stop or asked or self._schedule.saves(step):
            self._reporter.flush()
            self._checkpoints.write(self.position, self._fill_checkpoint)
        if stop:
            raise self._stopped()
        self._step_began = time.monotonic()

    def _stopped(self) -> Stopped:
        at, of = self.position.step, self._schedule.steps
        return Stopped(f"training stopped at step {at} of {of}; `tunery resume` goes on from there")

    def _report(self, learning_rate: float) -> None:
        figures, self._figures = self._figures, {}
        tokens = figures.pop("tokens")
        seconds = max(time.monotonic() - self._step_began, 1e-9)
        figures |= {
            "learning_rate": learning_rate,
            "tokens_per_second": round(tokens / seconds, 1),
            "trained_tokens": self.position.trained,
            "masked_tokens": self.position.masked,
            "memory_bytes": peak_memory(self.args.device),
        }
        self._reporter.step(self.position.step, figures)

    def _validate(self) -> bool:
        """Take this step's validation loss, keep the best adapter; False when asked to stop meanwhile."""
        loss = self.validation_loss()
        if loss is None:
            return False
        at = self.position
        self._reporter.validated(at.step, {"validation_loss": loss})
        if at.best_loss is None or loss < at.best_loss:
            with self._checkpoints.writing_best(at.step) as folder:
                save_adapter(self.model, folder)
            at = replace(at, best_step=at.step, best_loss=loss)
        self.position = replace(at, evaluation_due=False)
        return True

    def validation_loss(self) -> float | None:
        """Mean loss in nats over all trained tokens of the validation rows; None when asked to stop."""
        self.model.eval()
        total, count = 0.0, 0
        with torch.no_grad():
            for batch in evaluation_batches(self._validation, self._collator):
                if self._asked.stop():
                    return None
                total += sum(self._sum_loss(micro).item() for micro in batch.micro)
                count += batch.trained
        self.model.train()
        return total / max(1, count)

    # Checkpoints.

    def _fill_checkpoint(self, folder: Path) -> None:
        save_adapter(self.model, folder)
        torch.save(self.optimizer.state_dict(), folder / OPTIMIZER)
        torch.save(self.lr_scheduler.state_dict(), folder / SCHEDULER)
        torch.save(random_states(), folder / RANDOM)
        self.state.save_to_json(str(folder / STATE))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, *_: Any) -> None:
        load_adapter_weights(self.model, Path(resume_from_checkpoint))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint:
            folder = Path(checkpoint)
            for part, name in ((self.optimizer, OPTIMIZER), (self.lr_scheduler, SCHEDULER)):
                part.load_state_dict(torch.load(folder / name, map_location="cpu", weights_only=True))

    def _load_scaler(self, checkpoint: str | None) -> None:
        """There is none: gradients are float32."""

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint:
            restore_random(torch.load(Path(checkpoint) / RANDOM, map_location="cpu", weights_only=True))

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Trainer's own summary goes nowhere; figures go through the reporter."""


def _arguments(stage: TrainStage, schedule: Schedule, folder: Path) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=schedule.steps,
        learning_rate=stage.learning_rate,
        weight_decay=stage.weight_decay,
        max_grad_norm=stage.max_grad_norm,
        optim="adamw_torch_fused",
        seed=stage.seed,
        logging_strategy="no",
        eval_strategy="no",
        save_strategy="no",
        logging_nan_inf_filter=False,
        report_to="none",
        push_to_hub=False,
        disable_tqdm=True,
        log_level="error",
        use_cache=False,
        remove_unused_columns=False,
    )
