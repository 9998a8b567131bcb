"""Time LoRA training here and in trl's SFTTrainer on the same rows: tokens/s, peak memory, held-out loss.

    python benchmarks/train_speed.py [--rows 160] [--json] [--only ours,trl,trl_best] [--data FILE]

Every contender trains one epoch of SmolLM2-135M-Instruct in bfloat16 (LoRA of rank 16
on all linear layers, batch 8, rows of up to 512 tokens) in a process of its own, one
after the other. tokens/s are real tokens, padding not counted, over the wall time of
the training loop, first step included. Memory is the peak of the process until
training ended. Held-out loss is on the answers of 40 other rows, by one and the same
float32 code for all. Compare figures of one invocation: machines are noisy. Where other
work shares the cores, tokens per CPU second (of all threads) say more than tokens/s.

- ours       the train step of a recipe, with its defaults
- trl        SFTTrainer on conversations, its defaults but for activation checkpointing, which is off
             for all (on, it is trl_default: less memory, slower)
- trl_best   the same with rows grouped by length and prompt/completion, so that only answers are trained
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "alpaca_en_demo.json"
STARTER = "smollm2-135m-instruct"
CONTENDERS = ("trl", "trl_best", "ours")
OPTIONAL = ("trl_default",)
HELD_OUT = 40
MAX_LENGTH = 512
SEED = 7
RATE = 5e-4


def main() -> None:
    """Run the contenders and print the table."""
    options = _options()
    if options.child:
        _child(options.child, Path(options.folder), options.rows)
        return
    with tempfile.TemporaryDirectory(prefix="tunery-speed-") as name:
        folder = Path(name)
        _prepare(folder, Path(options.data), options.rows)
        results = [_measure(contender, folder, options.rows) for contender in options.only.split(",")]
    print(json.dumps(results, indent=2) if options.json else _table(results))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=160, help="training rows")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    parser.add_argument(
        "--only", default=",".join(CONTENDERS), help="contenders, with commas; also trl_default"
    )
    parser.add_argument("--data", default=str(DATA), help="alpaca rows as a JSON list")
    parser.add_argument("--child", choices=(*CONTENDERS, *OPTIONAL), help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


def _prepare(folder: Path, data: Path, rows: int) -> None:
    """Unpack the model and choose rows that fit, so that all contenders see equal tokens."""
    from core.models.find import find_base
    from core.workspace.home import Workspace
    from serve.chat import ChatFormat, Message

    base = find_base(STARTER, Workspace(folder / "workspace"), folder)
    (folder / "base").symlink_to(base)
    chat = ChatFormat.open(base)
    chosen: list[dict[str, Any]] = []
    for row in json.loads(data.read_text(encoding="utf-8")):
        prompt = row["instruction"] + (f"\n{row['input']}" if row["input"] else "")
        messages = [Message("user", prompt), Message("assistant", row["output"])]
        rendered = chat.render(messages, add_generation_prompt=False)
        if len(rendered.ids) <= MAX_LENGTH:
            turns = [message.to_dict() for message in messages]
            chosen.append({"messages": turns, "ids": rendered.ids, "assistant": rendered.assistant})
        if len(chosen) == rows + HELD_OUT:
            break
    (folder / "rows.json").write_text(json.dumps(chosen), encoding="utf-8")


def _measure(contender: str, folder: Path, rows: int) -> dict[str, Any]:
    command = [
        sys.executable,
        "-P",
        __file__,
        "--child",
        contender,
        "--folder",
        str(folder),
        "--rows",
        str(rows),
    ]
    print(f"{contender} ...", file=sys.stderr, flush=True)
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{contender} failed:\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _child(contender: str, folder: Path, count: int) -> None:
    rows = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
    train, held_out = rows[:count], rows[count:]
    out = folder / contender
    run = _train_ours if contender == "ours" else _train_trl
    seconds, cpu_seconds = run(contender, folder, train, out)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    tokens = sum(len(row["ids"]) for row in train)
    result = {
        "contender": contender,
        "rows": len(train),
        "tokens": tokens,
        "seconds": round(seconds, 1),
        "tokens_per_second": round(tokens / seconds, 1),
        "tokens_per_cpu_second": round(tokens / cpu_seconds, 1),
        "peak_bytes": peak,
        "held_out_loss": round(_held_out_loss(folder / "base", out, held_out), 4),
    }
    print(json.dumps(result))


def _train_ours(_: str, folder: Path, rows: list[dict[str, Any]], out: Path) -> tuple[float, float]:
    import numpy as np

    from core.models.dataset import write_tokens
    from core.recipe.sections import TrainStage
    from core.train.step import train
    from core.workspace.events import Event, Log, Progress
    from core.workspace.home import Workspace
    from core.workspace.steps import StepContext

    dataset = folder / "dataset"
    for path in (dataset, out, folder / "work", folder / "shared"):
        path.mkdir()
    for split, part in (("train", rows), ("validation", [])):
        trained = [np.zeros(len(row["ids"]), dtype=np.bool_) for row in part]
        for marks, row in zip(trained, part, strict=True):
            for start, end in row["assistant"]:
                marks[start:end] = True
        ids = [np.asarray(row["ids"]) for row in part]
        offsets = np.cumsum([0, *(len(row) for row in ids)])
        write_tokens(
            dataset,
            split,
            np.concatenate([np.zeros(0, np.int32), *ids]),
            np.concatenate([np.zeros(0, np.bool_), *trained]),
            offsets,
        )
    marks: dict[str, float] = {}

    def emit(event: Event) -> None:
        if isinstance(event, Log):
            marks["begin"], marks["cpu"] = event.time, time.process_time()
        if isinstance(event, Progress) and event.done == event.of:
            marks["end"], marks["cpu"] = event.time, time.process_time() - marks["cpu"]

    stage = TrainStage(epochs=1, learning_rate=RATE, max_length=MAX_LENGTH, precision="bfloat16", seed=SEED)
    inputs = {"base": folder / "base", "dataset": dataset}
    work, shared = folder / "work", folder / "shared"
    train(stage, StepContext("train[0]", "speed", inputs, folder, out, work, shared, Workspace(folder), emit))
    return marks["end"] - marks["begin"], marks["cpu"]


def _train_trl(contender: str, folder: Path, rows: list[dict[str, Any]], out: Path) -> tuple[float, float]:
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    best = contender == "trl_best"
    if best:
        data = [{"prompt": row["messages"][:1], "completion": row["messages"][1:]} for row in rows]
    else:
        data = [{"messages": row["messages"]} for row in rows]
    settings = SFTConfig(
        output_dir=str(folder / f"{contender}-work"),
        model_init_kwargs={"dtype": torch.bfloat16},
        num_train_epochs=1,
        per_device_train_batch_size=8,
        learning_rate=RATE,
        lr_scheduler_type="cosine",
        warmup_steps=0.05,
        max_length=MAX_LENGTH,
        gradient_checkpointing=contender == "trl_default",
        train_sampling_strategy="group_by_length" if best else "random",
        seed=SEED,
        use_cpu=not torch.cuda.is_available(),
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )
    lora = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    trainer = SFTTrainer(
        model=str(folder / "base"),
        args=settings,
        train_dataset=Dataset.from_list(data),
        processing_class=AutoTokenizer.from_pretrained(str(folder / "base")),
        peft_config=lora,
    )
    began, cpu = time.time(), time.process_time()
    trainer.train()
    seconds, cpu = time.time() - began, time.process_time() - cpu
    trainer.model.save_pretrained(str(out))
    return seconds, cpu


def _held_out_loss(base: Path, adapter: Path, rows: list[dict[str, Any]]) -> float:
    """Mean loss in nats over the answers' tokens, in float32, by transformers and peft alone."""
    import torch
    from peft import PeftModel

    from core.models.load import load_model

    model = PeftModel.from_pretrained(load_model(base, dtype="float32"), str(adapter)).eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for row in rows:
            ids = torch.tensor([row["ids"]])
            logits = model(input_ids=ids).logits[0, :-1].float()
            losses = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="none")
            for start, end in row["assistant"]:
                total += losses[start - 1 : end - 1].sum().item()
                count += end - start
    return total / count


def _table(results: list[dict[str, Any]]) -> str:
    plain = next((result for result in results if result["contender"] == "trl"), results[0])
    names = f"{'':12} {'tokens/s':>9} {'times':>6} {'tokens/CPU-s':>13}"
    lines = [f"{names} {'peak memory':>12} {'share':>6} {'held-out loss':>14}"]
    for result in results:
        times = result["tokens_per_second"] / plain["tokens_per_second"]
        share = result["peak_bytes"] / plain["peak_bytes"]
        lines.append(
            f"{result['contender']:12} {result['tokens_per_second']:9.1f} {times:6.2f} "
            f"{result['tokens_per_cpu_second']:13.1f} "
            f"{result['peak_bytes'] / 2**30:8.2f} GiB {share:6.0%} {result['held_out_loss']:14.4f}"
        )
    lines.append(
        f"{plain['rows']} rows, {plain['tokens']} tokens; times and share against {plain['contender']}"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
