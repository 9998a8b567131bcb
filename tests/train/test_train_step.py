from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file

from core.models.adapters import apply_adapters, list_adapters
from core.models.dataset import Dataset
from core.models.load import load_model
from core.recipe.sections import Lora, TrainStage
from core.train.errors import TrainingFailed
from core.train.step import train
from core.workspace.events import Metric, Progress, RunResumed
from tunery.errors import BadInput, Stopped

ROOT = Path(__file__).resolve().parents[2]


def stage(**settings: Any) -> TrainStage:
    defaults = {"epochs": 2, "learning_rate": 5e-3, "precision": "float32", "lora": Lora(rank=4)}
    return TrainStage(**{**defaults, **settings})


def validation_loss(model: Any, dataset: Path) -> float:
    """Mean loss over trained tokens by plain transformers, a row at a time."""
    total, tokens = 0.0, 0
    with torch.no_grad():
        for row in Dataset.open(dataset).split("validation"):
            ids = torch.tensor(row.ids.astype("int64")).unsqueeze(0)
            logits = model(input_ids=ids).logits[0, :-1].float()
            losses = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="none")
            wanted = torch.tensor(row.trained[1:])
            total += losses[wanted].sum().item()
            tokens += int(wanted.sum())
    return total / tokens


def test_loss_falls_and_the_best_adapter_is_plain_peft(surroundings: Any) -> None:
    context = surroundings.again()
    result = train(stage(epochs=4), context)
    losses = [loss for _, loss in surroundings.metrics("loss")]
    assert losses[-1] < losses[0] - 0.2
    base = load_model(surroundings.inputs["base"], dtype="float32")
    tuned = PeftModel.from_pretrained(base, str(context.out)).eval()
    wanted = result.metrics["validation_loss"]
    assert wanted == min(loss for _, loss in surroundings.metrics("validation_loss"))
    assert validation_loss(tuned, surroundings.inputs["dataset"]) == pytest.approx(wanted, rel=1e-4)


def test_the_best_checkpoint_is_exported_not_the_last(surroundings: Any, make_dataset: Any) -> None:
    surroundings.inputs["dataset"] = make_dataset(shift=5000)
    context = surroundings.again()
    result = train(stage(), context)
    losses = dict(surroundings.metrics("validation_loss"))
    best = min(losses, key=losses.__getitem__)
    assert best != max(losses)
    assert result.metrics["best_step"] == best
    base = load_model(surroundings.inputs["base"], dtype="float32")
    tuned = PeftModel.from_pretrained(base, str(context.out)).eval()
    assert validation_loss(tuned, surroundings.inputs["dataset"]) == pytest.approx(losses[best], rel=1e-3)


def test_every_step_has_its_figures(surroundings: Any) -> None:
    context = surroundings.again()
    result = train(stage(), context)
    lines = [json.loads(line) for line in (context.out / "curves.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "loss" in line]
    assert [line["at"] for line in steps] == list(range(1, 11))
    names = {
        "at",
        "loss",
        "learning_rate",
        "grad_norm",
        "tokens_per_second",
        "trained_tokens",
        "masked_tokens",
    }
    assert all(set(line) == names | {"memory_bytes"} for line in steps)
    rows = Dataset.open(surroundings.inputs["dataset"]).split("train")
    assert steps[-1]["trained_tokens"] + steps[-1]["masked_tokens"] == 2 * rows.lengths.sum()
    assert result.metrics["trained_tokens"] == steps[-1]["trained_tokens"]
    assert [
        event.at for event in surroundings.events if isinstance(event, Metric) and "loss" in event.metrics
    ] == [line["at"] for line in steps]
    progress = [event for event in surroundings.events if isinstance(event, Progress)]
    assert [(event.done, event.of) for event in progress] == [(step, 10) for step in range(1, 11)]
    assert progress[-1].eta == 0


@pytest.mark.parametrize("micro_batch", [1, 4])
def test_dividing_a_batch_does_not_change_what_is_learned(surroundings: Any, micro_batch: int) -> None:
    whole, divided = surroundings.again(), surroundings.again()
    train(stage(epochs=1, micro_batch=8), whole)
    train(stage(epochs=1, micro_batch=micro_batch), divided)
    wanted = load_file(whole.out / "adapter_model.safetensors")
    for name, weight in load_file(divided.out / "adapter_model.safetensors").items():
        torch.testing.assert_close(weight, wanted[name], rtol=1e-3, atol=1e-5)


def test_nothing_of_this_machine_travels_and_no_pickle_is_written(surroundings: Any) -> None:
    context = surroundings.again()
    train(stage(), context)
    assert json.loads((context.out / "adapter_config.json").read_text())["base_model_name_or_path"] == "tiny"
    assert sorted(path.name for path in context.out.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "curves.jsonl",
    ]
    for text in (*context.out.glob("*.json*"), *context.work.rglob("*.json")):
        assert str(surroundings.root) not in text.read_text()
    states = list(context.work.rglob("*.pt"))
    assert len(states) == 6
    for path in states:
        torch.load(path, weights_only=True)
    assert not list(context.work.rglob("*.bin"))


def test_a_stop_is_kept_and_gone_on_from(surroundings: Any) -> None:
    whole = surroundings.again()
    train(stage(epochs=1), whole)
    elsewhere = type(surroundings)(surroundings.root / "other", surroundings.inputs)
    calls = count()
    with pytest.raises(Stopped, match="goes on from there"):
        train(stage(epochs=1), elsewhere.again(stop=lambda: next(calls) >= 4))
    context = elsewhere.again()
    train(stage(epochs=1), context)
    assert [event.at for event in elsewhere.events if isinstance(event, RunResumed)]
    assert [at for at, _ in elsewhere.metrics("loss")] == [1, 2, 3, 4, 5]
    wanted = load_file(whole.out / "adapter_model.safetensors")
    for name, weight in load_file(context.out / "adapter_model.safetensors").items():
        torch.testing.assert_close(weight, wanted[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("moment", [1, 2, 3, 8, 9, 10])
def test_wherever_it_is_stopped_every_validation_is_made_once(surroundings: Any, moment: int) -> None:
    calls = count(1)
    settings = stage(epochs=1, evaluate_every=1, micro_batch=1)
    try:
        train(settings, surroundings.again(stop=lambda: next(calls) >= moment))
    except Stopped:
        train(settings, surroundings.again())
    newest = surroundings.root / f"out{surroundings.count}" / "curves.jsonl"
    lines = [json.loads(line) for line in newest.read_text().splitlines()]
    assert [line["at"] for line in lines if "validation_loss" in line] == [1, 2, 3, 4, 5]
    assert [line["at"] for line in lines if "loss" in line] == [1, 2, 3, 4, 5]


def test_a_checkpoint_is_written_when_it_is_asked_for(surroundings: Any) -> None:
    asked = iter([False, True])
    context = surroundings.again(checkpoint=lambda: next(asked, False))
    train(stage(epochs=1, save_every=5, keep_last=9), context)
    names = sorted(path.name for path in (context.work / "checkpoints").iterdir())
    assert names == ["step-00000002", "step-00000005"]


def test_a_finished_training_is_not_done_again(surroundings: Any) -> None:
    train(stage(), surroundings.again())
    seen = len(surroundings.metrics("loss"))
    context = surroundings.again()
    train(stage(), context)
    assert len(surroundings.metrics("loss")) == seen
    assert (context.out / "adapter_model.safetensors").is_file()


def test_a_second_stage_begins_from_the_first_and_is_rebuilt_from_its_artifact_alone(
    surroundings: Any,
) -> None:
    first = surroundings.again()
    train(stage(epochs=3), first)
    before = dict(surroundings.metrics("loss"))
    following = type(surroundings)(surroundings.root / "second", {**surroundings.inputs, "model": first.out})
    second = following.again()
    result = train(stage(epochs=1, seed=8, learning_rate=1e-3), second)
    assert following.metrics("loss")[0][1] < before[1] - 0.1
    assert list_adapters(second.out) == [second.out / "adapters" / "0", second.out]
    assert result.details["earlier_stages"] == 1
    merged = apply_adapters(load_model(surroundings.inputs["base"], dtype="float32"), second.out)
    assert type(merged).__name__ == "LlamaForCausalLM"
    assert not [name for name in merged.state_dict() if "lora" in name]
    loss = validation_loss(merged, surroundings.inputs["dataset"])
    assert loss == pytest.approx(result.metrics["validation_loss"], rel=1e-4)


def test_an_adapter_of_another_model_is_refused(surroundings: Any, tmp_path: Path) -> None:
    context = surroundings.again()
    train(stage(max_steps=1), context)
    weights = load_file(context.out / "adapter_model.safetensors")
    save_file(
        {name: weight[:, :1].contiguous() for name, weight in weights.items()},
        context.out / "adapter_model.safetensors",
    )
    with pytest.raises(BadInput, match="does not fit the base model"):
        apply_adapters(load_model(surroundings.inputs["base"], dtype="float32"), context.out)


def test_without_validation_rows_the_last_weights_are_exported(surroundings: Any, make_dataset: Any) -> None:
    surroundings.inputs["dataset"] = make_dataset(train=9, validation=0)
    result = train(stage(), surroundings.again())
    assert result.metrics["validation_loss"] is None
    assert result.details["exported"] == "the last step's weights"


def test_a_loss_that_is_not_a_number_stops_with_a_sentence(surroundings: Any, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    base = surroundings.inputs["base"]
    for path in base.iterdir():
        (broken / path.name).symlink_to(path)
    weights = load_file(base / "model.safetensors")
    weights["model.norm.weight"][0] = float("nan")
    (broken / "model.safetensors").unlink()
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    surroundings.inputs["base"] = broken
    with pytest.raises(TrainingFailed, match="the loss is nan at step 1"):
        train(stage(), surroundings.again())


OUT_OF_MEMORY = """
import json, resource, sys
from pathlib import Path
from core.recipe.sections import TrainStage
from core.train.step import train
from core.workspace.events import Log
from core.workspace.home import Workspace
from core.workspace.steps import StepContext

base, dataset, root = map(Path, sys.argv[1:])
for name in ("out", "work"):
    (root / name).mkdir()

def emit(event):
    if isinstance(event, Log):
        held = next(line for line in open("/proc/self/status") if line.startswith("VmData")).split()[1]
        limit = int(held) * 1024 + 20 * 2**20
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

inputs = {"base": base, "dataset": dataset}
context = StepContext("train[0]", "x", inputs, root, root / "out", root / "work", root, Workspace(root), emit)
try:
    train(TrainStage(precision="float32"), context)
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's RLIMIT_DATA")
def test_too_little_memory_becomes_a_sentence(surroundings: Any, make_dataset: Any, tmp_path: Path) -> None:
    rows = make_dataset(train=16, validation=0, longest=500)
    command = [
        sys.executable,
        "-c",
        OUT_OF_MEMORY,
        str(surroundings.inputs["base"]),
        str(rows),
        str(tmp_path),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("TrainingFailed train[0] ran out of memory; set train.micro_batch to 1"), (
        done
    )


def test_rows_longer_than_the_stage_takes_are_refused(surroundings: Any) -> None:
    with pytest.raises(BadInput, match="raise its max_length"):
        train(stage(max_length=16), surroundings.again())


def test_bfloat16_learns_as_well(surroundings: Any) -> None:
    half, full = surroundings.again(), type(surroundings)(surroundings.root / "full", surroundings.inputs)
    train(stage(precision="bfloat16"), half)
    train(stage(), full.again())
    got, wanted = surroundings.metrics("validation_loss")[-1][1], full.metrics("validation_loss")[-1][1]
    assert got == pytest.approx(wanted, abs=0.05)
    assert {weight.dtype for weight in load_file(half.out / "adapter_model.safetensors").values()} == {
        torch.float32
    }
