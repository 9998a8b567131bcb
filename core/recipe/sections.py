"""The recipe's own sections: model, train, export, evaluate; the data section is in data.py.

Sections that travel in a bundle live beside the code that reads them: `serve/config.py`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from core.recipe.data import DataSection
from tunery.section import Section, setting

Quant = Literal["f16", "q8_0", "q4_k_m"]


class ModelSection(Section):
    """Which model is tuned."""

    base: str = setting(
        about="A hub id, a folder, a .gguf file, or a packaged starter such as smollm2-135m-instruct."
    )
    template: str | None = setting(
        None,
        about="Chat template instead of the model's own: a name such as chatml, or a .jinja file.",
        shown="advanced",
    )


class Lora(Section):
    """Low-rank adapters (Hu et al. 2021)."""

    rank: int = setting(16, ge=1, le=1024, about="Rank of the update.")
    alpha: float = setting(32.0, gt=0, about="Scale; the update is multiplied by alpha / rank.")
    dropout: float = setting(0.0, ge=0, lt=1, about="Dropout on the adapter's input.", shown="advanced")
    targets: Literal["all-linear", "attention"] | tuple[str, ...] = setting(
        "all-linear", about="Which layers get an adapter: all-linear, attention, or names.", shown="advanced"
    )


class TrainStage(Section):
    """One stage of training."""

    method: Literal["sft"] = setting("sft", about="How it learns: supervised fine-tuning on the answers.")
    adapter: Literal["lora"] = setting("lora", about="Which weights learn.")
    lora: Lora = setting(Lora(), about="Settings of the LoRA adapter.", shown="advanced")
    epochs: float = setting(3.0, gt=0, about="Passes over the training rows.")
    max_steps: int | None = setting(None, ge=1, about="Stop after so many optimizer steps.", shown="advanced")
    learning_rate: float = setting(5e-4, gt=0, lt=1, about="Peak learning rate.")
    batch_size: int = setting(8, ge=1, about="Rows per optimizer step.")
    micro_batch: int | None = setting(
        None,
        ge=1,
        about="Rows per forward pass; must divide batch_size; the whole batch by default.",
        shown="advanced",
    )
    packing: bool = setting(
        False,
        about="Several rows in one sequence of max_length tokens, without padding; none sees another.",
        shown="advanced",
    )
    max_length: int = setting(1024, ge=16, about="Longest conversation in tokens; a longer one is refused.")
    warmup: float = setting(
        0.05, ge=0, lt=1, about="Share of steps with a rising learning rate.", shown="advanced"
    )
    schedule: Literal["cosine", "linear", "constant"] = setting(
        "cosine", about="How the learning rate falls after warm-up.", shown="advanced"
    )
    weight_decay: float = setting(0.0, ge=0, about="Decoupled weight decay.", shown="advanced")
    max_grad_norm: float = setting(1.0, gt=0, about="Gradients are clipped to this norm.", shown="advanced")
    precision: Literal["auto", "bfloat16", "float32"] = setting(
        "auto", about="Arithmetic; auto takes bfloat16 where the hardware does it fast.", shown="advanced"
    )
    evaluate_every: int | None = setting(
        None, ge=1, about="Validate every so many steps; ten times a run by default.", shown="advanced"
    )
    save_every: int | None = setting(
        None, ge=1, about="Checkpoint every so many steps; ten times a run by default.", shown="advanced"
    )
    keep_last: int = setting(2, ge=1, about="Checkpoints that are kept.", shown="advanced")
    seed: int = setting(7, ge=0, about="Seed of weights, order and dropout.", shown="advanced")

    @model_validator(mode="after")
    def _micro_batch_divides(self) -> TrainStage:
        if self.micro_batch and self.batch_size % self.micro_batch:
            raise ValueError(
                f"micro_batch {self.micro_batch} does not divide batch_size {self.batch_size}; "
                "choose a divisor of it"
            )
        return self


class Parity(Section):
    """How equal the exported model must be to the tuned one."""

    prompts: int = setting(50, ge=1, le=500, about="Held-out prompts that are compared.")
    min_greedy_agreement: float | None = setting(
        None,
        ge=0,
        le=1,
        about="Share of prompts with equal greedy text; 0.95 for f16, not asked of quantized ones.",
    )
    max_kl: float | None = setting(
        None, gt=0, about="Largest mean KL to the float32 reference; 0.0005 f16, 0.01 q8_0, 0.2 q4_k_m."
    )


class Export(Section):
    """One form in which the tuned model leaves training."""

    format: Literal["gguf"] = setting("gguf", about="File format of the exported weights.")
    quant: Quant = setting("q8_0", about="llama.cpp type of the weights.")
    parity: Parity = setting(Parity(), about="How equal it must be to the tuned model.", shown="advanced")


class EvaluateSection(Section):
    """How the tuned model is measured against the base."""

    suites: tuple[Literal["held_out"], ...] = setting(
        ("held_out",), about="What is asked; held_out is the test split."
    )
    max_rows: int | None = setting(
        None, ge=1, about="Use only the first so many test rows.", shown="advanced"
    )
    max_new_tokens: int = setting(160, ge=1, about="Longest generated answer in tokens.", shown="advanced")
    resamples: int = setting(2000, ge=200, about="Bootstrap resamples of each interval.", shown="advanced")
    seed: int = setting(7, ge=0, about="Seed of the resampling.", shown="advanced")


class PrepareSection(Section):
    """What the prepare step reads: the data, and the longest row that training takes."""

    data: DataSection
    max_length: int
