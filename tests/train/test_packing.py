"""Rows that share a sequence are to a model, and to what it learns, as if each were alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from safetensors.torch import load_file
from torch import nn

from core.models.dataset import TokenRow
from core.models.load import load_model
from core.recipe.sections import Lora, TrainStage
from core.train import layers
from core.train.batches import Collator, PaddingCollator
from core.train.layers import speed_up
from core.train.lora import add_lora
from core.train.loss import sum_cross_entropy
from core.train.packing import PackingCollator, check_rows_apart, first_fit_decreasing
from core.train.step import train
from tunery.errors import BadInput

SMALL = {
    "vocab_size": 3000,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
# The second layer of the last looks back 8 tokens only, and a neighbour must not count among them.
QWEN2 = {"qwen2": {}, "sliding": {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}}
MODELS = ("llama", *QWEN2)
ATTENTION = ("sdpa", "eager", "ours")
LENGTHS = (9, 31, 1, 20, 2)


def random_row(length: int, seed: int) -> TokenRow:
    """Every token is trained, the first too: whoever predicts that one from a neighbour is found out."""
    ids = np.random.default_rng(seed).integers(3, 3000, length)
    return TokenRow(ids.astype(np.int32), np.ones(length, dtype=np.bool_))


@pytest.fixture(scope="module")
def rows() -> list[TokenRow]:
    return [random_row(length, seed) for seed, length in enumerate(LENGTHS)]


def make_model(kind: str, attention: str, folder: Path) -> Any:
    """A PeftModel whose adapter already does something."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(7)
    if kind == "llama":
        base = load_model(folder, dtype="float32")
    else:
        base = Qwen2ForCausalLM(Qwen2Config(**SMALL, **QWEN2[kind]))
    base.set_attn_implementation("eager" if attention == "eager" else "sdpa")
    model = add_lora(base, TrainStage(lora=Lora(rank=4)), "tiny")
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(weight, std=0.1)
    if attention == "ours":
        assert speed_up(model, torch.arange(1000, 1020).unsqueeze(0))
    return model.eval()


@pytest.fixture(
    scope="module", params=[(kind, attention) for kind in MODELS for attention in ATTENTION], ids="-".join
)
def model(request: pytest.FixtureRequest, tiny_model_folder: Path) -> Any:
    return make_model(*request.param, tiny_model_folder)


def packed_logits(model: Any, rows: list[TokenRow]) -> list[torch.Tensor]:
    """Logits of every row, in the order of `rows`, when all are in one sequence."""
    (micro,) = PackingCollator(room=1000)(rows).micro
    with torch.no_grad():
        logits = model(**micro.inputs(), use_cache=False).logits[0]
    order = sorted(range(len(rows)), key=lambda at: -len(rows[at].ids))
    parts = logits.split([len(rows[at].ids) for at in order])
    return [parts[order.index(at)] for at in range(len(rows))]


def logits_alone(model: Any, row: TokenRow) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = model(input_ids=torch.tensor(row.ids[None].astype("int64"))).logits[0]
    return logits


def loss_and_gradients(
    model: Any, rows: list[TokenRow], collator: Collator
) -> tuple[float, dict[str, torch.Tensor]]:
    base = model.get_base_model()
    batch = collator(rows)
    model.zero_grad()
    total = 0.0
    for micro in batch.micro:
        hidden = base.get_decoder()(**micro.inputs(), use_cache=False).last_hidden_state.flatten(0, 1)
        loss = sum_cross_entropy(hidden[micro.predictors], base.lm_head, micro.targets) / batch.trained
        loss.backward()
        total += loss.item()
    return total, {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_a_packed_row_has_the_logits_that_it_has_alone(model: Any, rows: list[TokenRow]) -> None:
    for row, logits in zip(rows, packed_logits(model, rows), strict=True):
        torch.testing.assert_close(logits, logits_alone(model, row), rtol=1e-5, atol=1e-5)


def test_what_a_row_says_changes_no_neighbour(model: Any, rows: list[TokenRow]) -> None:
    before = packed_logits(model, rows)
    for changed, length in enumerate(LENGTHS):
        others = [*rows]
        others[changed] = random_row(length, 100 + changed)
        after = packed_logits(model, others)
        assert not torch.allclose(before[changed], after[changed], atol=1e-2)
        for at in set(range(len(rows))) - {changed}:
            torch.testing.assert_close(after[at], before[at], rtol=0, atol=1e-5)


def test_a_packed_step_has_the_loss_and_the_gradients_of_a_padded_one(
    model: Any, rows: list[TokenRow]
) -> None:
    loss, wanted = loss_and_gradients(model, rows, PaddingCollator(tokens_per_pass=10_000))
    for room in (40, 1000):
        packed_loss, got = loss_and_gradients(model, rows, PackingCollator(room))
        assert packed_loss == pytest.approx(loss, rel=1e-5)
        assert got.keys() == wanted.keys()
        for name, gradient in wanted.items():
            torch.testing.assert_close(got[name], gradient, rtol=1e-3, atol=1e-6)


def test_short_attention_goes_through_packed_rows_one_by_one(
    tiny_model_folder: Path, rows: list[TokenRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model("llama", "ours", tiny_model_folder)
    wanted = packed_logits(model, rows)
    seen: list[int] = []
    ours = layers.causal_attention

    def watched(query: Any, *others: Any) -> Any:
        seen.append(query.shape[2])
        return ours(query, *others)

    monkeypatch.setattr(layers, "causal_attention", watched)
    packed_logits(model, rows)
    assert seen == [31, 20, 9, 2, 1] * 2
    monkeypatch.setattr(layers, "SHORT", 10)  # the two long ones now go through torch's own
    seen.clear()
    for got, logits in zip(packed_logits(model, rows), wanted, strict=True):
        torch.testing.assert_close(got, logits, rtol=1e-5, atol=1e-5)
    assert seen == [9, 2, 1] * 2


row_lengths = some.lists(some.integers(1, 120), min_size=1, max_size=40)


@given(row_lengths, some.integers(1, 200), some.integers(1, 40))
def test_packing_keeps_every_row_and_every_bound(lengths: list[int], room: int, most: int) -> None:
    sequences = first_fit_decreasing(lengths, room, most)
    assert sorted(number for sequence in sequences for number in sequence) == list(range(len(lengths)))
    for sequence in sequences:
        assert len(sequence) <= most
        assert len(sequence) == 1 or sum(lengths[number] for number in sequence) <= room


@given(row_lengths, some.integers(1, 200))
def test_no_two_sequences_would_fit_into_one(lengths: list[int], room: int) -> None:
    used = [sum(lengths[at] for at in part) for part in first_fit_decreasing(lengths, room, len(lengths))]
    assert all(one + other > room for at, one in enumerate(used) for other in used[:at])


@given(some.lists(some.tuples(some.integers(1, 30), some.integers(0, 30)), min_size=1, max_size=12))
def test_a_packed_batch_trains_the_tokens_of_a_padded_one_and_computes_no_others(
    sizes: list[tuple[int, int]],
) -> None:
    rows = [
        TokenRow(np.arange(100 * n, 100 * n + length, dtype=np.int32), np.arange(length) >= first)
        for n, (length, first) in enumerate(sizes)
    ]
    packed, padded = PackingCollator(room=40)(rows), PaddingCollator(tokens_per_pass=100)(rows)
    assert (packed.tokens, packed.trained, packed.masked) == (padded.tokens, padded.trained, padded.masked)

    def predictions(batch: Any) -> list[tuple[int, int]]:
        return sorted(
            (int(micro.ids.flatten()[at]), int(target))
            for micro in batch.micro
            for at, target in zip(micro.predictors, micro.targets, strict=True)
        )

    assert predictions(packed) == predictions(padded)
    assert all(target == before + 1 for before, target in predictions(packed))
    assert sum(micro.ids.numel() for micro in packed.micro) == sum(length for length, _ in sizes)


def test_a_given_number_of_rows_shares_a_sequence_at_most() -> None:
    batch = PackingCollator(room=1000, most_rows=3)([random_row(5, seed) for seed in range(8)])
    assert [int((micro.inputs()["position_ids"] == 0).sum()) for micro in batch.micro] == [3, 3, 2]


# Short enough that the rows of a step need several sequences.
STAGE = {"epochs": 1, "learning_rate": 5e-3, "precision": "float32", "lora": Lora(rank=4), "max_length": 64}


def test_packing_changes_neither_what_is_learned_nor_what_is_counted(surroundings: Any) -> None:
    padded, packed = surroundings.again(), surroundings.again()
    wanted = train(TrainStage(**STAGE), padded)
    got = train(TrainStage(**STAGE, packing=True), packed)
    weights = load_file(padded.out / "adapter_model.safetensors")
    for name, weight in load_file(packed.out / "adapter_model.safetensors").items():
        torch.testing.assert_close(weight, weights[name], rtol=1e-3, atol=1e-5)
    assert got.metrics == pytest.approx(wanted.metrics, rel=1e-5)

    def figures(folder: Path) -> list[dict[str, float]]:
        lines = [json.loads(line) for line in (folder / "curves.jsonl").read_text().splitlines()]
        return [
            {name: value for name, value in line.items() if name not in ("tokens_per_second", "memory_bytes")}
            for line in lines
        ]

    assert len(figures(packed.out)) == 10
    for ours, theirs in zip(figures(packed.out), figures(padded.out), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)


def test_a_model_that_keeps_rows_apart_is_taken(model: Any) -> None:
    state = torch.get_rng_state()
    check_rows_apart(model)
    assert torch.equal(torch.get_rng_state(), state)  # else a resumed training would drop out otherwise


def recurrent() -> Any:
    """Carries its state from one row into the next."""
    from transformers import Mamba2Config, Mamba2ForCausalLM

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_heads": 4, "head_dim": 16, "state_size": 8}
    return Mamba2ForCausalLM(Mamba2Config(vocab_size=3000, n_groups=1, **sizes))


def without_positions() -> Any:
    """Takes no position ids, and so cannot be told where a row begins."""
    from transformers import BloomConfig, BloomForCausalLM

    return BloomForCausalLM(BloomConfig(vocab_size=3000, hidden_size=32, n_layer=2, n_head=4))


def half_recurrent() -> Any:
    """Attention is kept apart, the short convolution between is not."""
    from transformers import Lfm2Config, Lfm2ForCausalLM

    kinds = ["conv", "full_attention"]
    return Lfm2ForCausalLM(Lfm2Config(**SMALL, layer_types=kinds, block_auto_adjust_ff_dim=False))


@pytest.mark.parametrize("build", [recurrent, without_positions, half_recurrent])
def test_a_model_whose_rows_would_see_one_another_is_refused_with_the_way_out(build: Any) -> None:
    torch.manual_seed(7)
    targets = ("in_proj",) if build is recurrent else "all-linear"
    model = add_lora(build().eval(), TrainStage(lora=Lora(rank=4, targets=targets)), "tiny")
    with pytest.raises(BadInput, match=r"see one another.*set train\.packing: false"):
        check_rows_apart(model)


def test_attention_that_is_given_no_mask_is_refused(tiny_model_folder: Path) -> None:
    from transformers import AttentionInterface
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    model = make_model("llama", "sdpa", tiny_model_folder)
    AttentionInterface.register("without_a_mask", sdpa_attention_forward)
    model.get_base_model().config._attn_implementation = "without_a_mask"
    with pytest.raises(BadInput, match="LlamaForCausalLM lets rows in one sequence see one another"):
        check_rows_apart(model)


def test_training_refuses_such_a_model_before_its_first_step(
    surroundings: Any, tmp_path: Path, tiny_model_folder: Path
) -> None:
    folder = tmp_path / "base"
    torch.manual_seed(7)
    without = without_positions()
    without.save_pretrained(str(folder))
    (folder / "model.json").write_text((tiny_model_folder / "model.json").read_text())
    surroundings.inputs["base"] = folder
    with pytest.raises(BadInput, match=r"set train\.packing: false"):
        train(TrainStage(**STAGE, packing=True), surroundings.again())
    assert not surroundings.metrics("loss")
    train(TrainStage(**STAGE, max_steps=1), surroundings.again())
