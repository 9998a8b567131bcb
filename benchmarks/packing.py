"""Time training steps on padded and on packed rows: tokens/s, padding computed, passes a step.

    python benchmarks/packing.py [--steps 3] [--rows 400] [--batch 8] [--json] [--data FILE]

SmolLM2-135M-Instruct in bfloat16 with LoRA of rank 16 on all linear layers, with the
layers that training puts in, learns from rows of up to 1,024 tokens. Each step, forward
and backward, is done in every layout in turn, so that a busy neighbour slows all alike.
tokens/s are real tokens, padding not counted, the median of the steps. Where other work
shares the cores, tokens per CPU second (of all threads) say more.

- plain        rows in random order, all of a step padded to its longest
- like_length  what training does: rows of like length, divided so that little is padded
- packed       the same rows with `train.packing`
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.train.batches import Collator

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "alpaca_en_demo.json"
STARTER = "smollm2-135m-instruct"
MAX_LENGTH = 1024
SEED = 7


@dataclass
class Layout:
    """What one layout has done so far.

    `computed` are tokens that went through the model, `speeds` and `cpu_speeds` the
    tokens/s and tokens per CPU second of every step.
    """

    name: str
    tokens: int = 0
    computed: int = 0
    passes: int = 0
    loss: float = 0.0
    speeds: list[float] = field(default_factory=list)
    cpu_speeds: list[float] = field(default_factory=list)


def main() -> None:
    """Do the steps and print the table."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="tunery-packing-") as name:
        base = _unpack(Path(name))
        rows = _read(Path(options.data), base, options.rows)
        layouts = _compare(_load(base, rows[0]), rows, options.batch, options.steps)
    figures = [_figures(layout, options.steps) for layout in layouts]
    print(json.dumps(figures, indent=2) if options.json else _table(figures, options))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=3, help="optimizer steps that are timed in each layout")
    parser.add_argument("--rows", type=int, default=400, help="rows that the steps are drawn from")
    parser.add_argument("--batch", type=int, default=8, help="rows per optimizer step")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    parser.add_argument("--data", default=str(DATA), help="alpaca rows as a JSON list")
    return parser.parse_args()


def _unpack(folder: Path) -> Path:
    from core.models.find import find_base
    from core.workspace.home import Workspace

    return find_base(STARTER, Workspace(folder), folder)


def _read(data: Path, base: Path, count: int) -> list[Any]:
    """The first rows that fit, rendered; only answers are trained."""
    import numpy as np

    from core.models.dataset import TokenRow
    from serve.chat import ChatFormat, Message

    chat = ChatFormat.open(base)
    chosen: list[TokenRow] = []
    for row in json.loads(data.read_text(encoding="utf-8")):
        prompt = row["instruction"] + (f"\n{row['input']}" if row["input"] else "")
        messages = [Message("user", prompt), Message("assistant", row["output"])]
        rendered = chat.render(messages, add_generation_prompt=False)
        trained = np.zeros(len(rendered.ids), dtype=np.bool_)
        for start, end in rendered.assistant:
            trained[start:end] = True
        if len(trained) <= MAX_LENGTH and len(chosen) < count:
            chosen.append(TokenRow(np.asarray(rendered.ids, dtype=np.int32), trained))
    return chosen


def _load(base: Path, row: Any) -> Any:
    import torch

    from core.models.load import load_model
    from core.recipe.sections import TrainStage
    from core.train.layers import speed_up
    from core.train.lora import add_lora
    from core.train.packing import check_rows_apart

    model = add_lora(load_model(base, dtype="bfloat16"), TrainStage(seed=SEED), STARTER)
    speed_up(model, torch.from_numpy(row.ids[:64].astype("int64")).unsqueeze(0))
    check_rows_apart(model)
    return model.train()


def _compare(model: Any, rows: list[Any], size: int, steps: int) -> list[Layout]:
    import numpy as np

    from core.train.batches import LikeLengthBatches, PaddingCollator
    from core.train.packing import PackingCollator

    like = LikeLengthBatches([len(row.ids) for row in rows], size, SEED, steps)
    order = np.random.default_rng(SEED).permutation(len(rows)).tolist()
    contenders: list[tuple[Layout, Collator, Callable[[int], list[int]]]] = [
        (
            Layout("plain"),
            PaddingCollator(2048, rows_per_pass=size),
            lambda step: order[step * size :][:size],
        ),
        (Layout("like_length"), PaddingCollator(2048), like.batch),
        (Layout("packed"), PackingCollator(MAX_LENGTH), like.batch),
    ]
    for _, collator, _ in contenders:
        _step(model, collator(rows[:2]), Layout("warm-up"))
    for step in range(steps):
        for layout, collator, numbers in contenders:
            batch = collator([rows[number] for number in numbers(step)])
            _step(model, batch, layout)
    return [layout for layout, _, _ in contenders]


def _step(model: Any, batch: Any, layout: Layout) -> None:
    """The gradients of one optimizer step, as the trainer takes them."""
    from core.train.loss import sum_cross_entropy

    base = model.get_base_model()
    decoder, head = base.get_decoder(), base.get_output_embeddings()
    began, cpu = time.perf_counter(), time.process_time()
    for micro in batch.micro:
        hidden = decoder(**micro.inputs(), use_cache=False).last_hidden_state.flatten(0, 1)
        loss = sum_cross_entropy(hidden[micro.predictors], head, micro.targets) / batch.trained
        loss.backward()
        layout.loss += loss.item()
    layout.speeds.append(batch.tokens / (time.perf_counter() - began))
    layout.cpu_speeds.append(batch.tokens / (time.process_time() - cpu))
    layout.tokens += batch.tokens
    layout.computed += sum(micro.ids.numel() for micro in batch.micro)
    layout.passes += len(batch.micro)
    model.zero_grad()


def _figures(layout: Layout, steps: int) -> dict[str, Any]:
    return {
        **asdict(layout),
        "tokens_per_second": median(layout.speeds),
        "tokens_per_cpu_second": median(layout.cpu_speeds),
        "padding": 1 - layout.tokens / layout.computed,
        "passes_per_step": layout.passes / steps,
        "loss": layout.loss / steps,
    }


def _table(figures: list[dict[str, Any]], options: argparse.Namespace) -> str:
    usual = figures[1]
    names = f"{'':12} {'tokens/s':>9} {'times':>6} {'tokens/CPU-s':>13} {'times':>6}"
    lines = [f"{names} {'padding':>8} {'passes':>7} {'loss':>8}"]
    for row in figures:
        wall, cpu = row["tokens_per_second"], row["tokens_per_cpu_second"]
        lines.append(
            f"{row['name']:12} {wall:9.1f} {wall / usual['tokens_per_second']:6.2f} "
            f"{cpu:13.1f} {cpu / usual['tokens_per_cpu_second']:6.2f} "
            f"{row['padding']:8.1%} {row['passes_per_step']:7.2f} {row['loss']:8.4f}"
        )
    lines.append(f"{options.steps} steps of {options.batch} rows; times against like_length")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
