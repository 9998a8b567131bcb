"""One tiny tuned model for all tests of this room: made, merged and converted once a session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from core.recipe.data import DataSection
from core.recipe.sections import Export, Parity, PrepareSection
from core.workspace.events import Event
from core.workspace.home import Workspace
from core.workspace.steps import StepContext


@dataclass(frozen=True)
class Bench:
    """Inputs of an export step, and the shared folder of their run."""

    inputs: dict[str, Path]
    shared: Path
    root: Path
    events: list[Event] = field(default_factory=list)

    def context(
        self, folder: Path, *, shared: Path | None = None, stop: Callable[[], bool] = lambda: False
    ) -> StepContext:
        """A step's surroundings with `out` and `work` below `folder`."""
        out, work = folder / "out", folder / "work"
        out.mkdir(parents=True)
        work.mkdir()
        return StepContext(
            step="export[0]",
            name="shelf-clerk",
            inputs=self.inputs,
            recipe_folder=self.root,
            out=out,
            work=work,
            shared=shared or self.shared,
            workspace=Workspace(self.root / "home"),
            emit=self.events.append,
            stop_requested=stop,
        )


def wish(quant: str, **parity: float) -> Export:
    """An export with few prompts."""
    return Export(quant=quant, parity=Parity(**{"prompts": 4, **parity}))


@pytest.fixture(scope="session")
def random_adapter(tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter with random weights: it changes the model without training."""
    return write_adapter(tiny_model_folder, tmp_path_factory.mktemp("adapter"), scale=0.05)


def write_adapter(base: Path, folder: Path, *, scale: float, seed: int = 3) -> Path:
    """A model artifact as training leaves it; `scale` 0 is an adapter that learned nothing."""
    import torch
    from peft import LoraConfig, get_peft_model

    from core.models.adapters import save_adapter
    from core.models.load import load_model

    torch.manual_seed(seed)
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(load_model(base, dtype="float32"), config)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=scale) if scale else torch.nn.init.zeros_(weight)
    config.base_model_name_or_path = "tiny"
    save_adapter(model, folder)
    return folder


@pytest.fixture(scope="session")
def bench(tiny_model_folder: Path, random_adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The tiny model, a dataset of 12 rows by the prepare step, and an adapter."""
    from core.data.prepare import prepare

    root = tmp_path_factory.mktemp("export")
    made = Bench({"base": tiny_model_folder, "model": random_adapter}, root / "shared", root)
    made.shared.mkdir()
    (root / "rows.jsonl").write_text("".join(_rows()), encoding="utf-8")
    data = DataSection.model_validate(
        {"sources": [{"path": "rows.jsonl"}], "split": {"validation": 0.2, "test": 0.4}}
    )
    context = made.context(root / "prepare")
    prepare(PrepareSection(data=data, max_length=256), context)
    made.inputs["dataset"] = context.out
    return made


def _rows() -> list[str]:
    import json

    colours = ("red", "green", "blue", "grey")
    turns = [
        [
            {"role": "user", "content": f"What colour is shelf {number}?"},
            {"role": "assistant", "content": f"Shelf {number} is {colours[number % 4]}."},
            {"role": "user", "content": "  Are you sure?\n"},
            {"role": "assistant", "content": "Yes."},
        ]
        for number in range(12)
    ]
    return [json.dumps({"messages": row}) + "\n" for row in turns]
