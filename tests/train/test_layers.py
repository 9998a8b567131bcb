from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from core.models.load import load_model
from core.recipe.sections import Lora, TrainStage
from core.train import layers
from core.train.layers import check_output_layer, speed_up
from core.train.lora import add_lora
from tunery.errors import BadInput

IDS = torch.arange(1000, 1040).view(2, 20)


def tuned(folder: Path, **lora: Any) -> Any:
    """A PeftModel whose adapter already does something: peft begins with B at zero."""
    model = add_lora(load_model(folder, dtype="float32"), TrainStage(lora=Lora(rank=4, **lora)), "tiny")
    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(weight, std=0.1)
    return model


def loss_and_gradients(model: Any) -> tuple[float, dict[str, torch.Tensor]]:
    model.zero_grad()
    loss = model(input_ids=IDS, labels=IDS, use_cache=False).loss
    loss.backward()
    learning = {
        name: weight.grad.clone() for name, weight in model.named_parameters() if weight.requires_grad
    }
    return loss.item(), learning


@pytest.mark.parametrize("targets", ["all-linear", "attention"])
def test_faster_layers_give_the_loss_and_the_gradients_of_the_models_own(
    tiny_model_folder: Path, targets: str
) -> None:
    model = tuned(tiny_model_folder, targets=targets)
    loss, wanted = loss_and_gradients(model)
    assert speed_up(model, IDS[:1])
    fast_loss, got = loss_and_gradients(model)
    assert fast_loss == pytest.approx(loss, rel=1e-5)
    assert got.keys() == wanted.keys()
    for name, gradient in wanted.items():
        torch.testing.assert_close(got[name], gradient, rtol=1e-3, atol=1e-6)


def test_every_layer_of_a_llama_is_replaced(tiny_model_folder: Path) -> None:
    model = tuned(tiny_model_folder)
    speed_up(model, IDS[:1])
    replaced = [type(module).__name__ for module in model.modules() if "forward" in vars(module)]
    counts = {name: replaced.count(name) for name in set(replaced)}
    assert counts == {"Linear": 14, "LlamaMLP": 2, "LlamaRMSNorm": 5}
    assert model.config._attn_implementation == layers.ATTENTION


def test_an_adapter_with_dropout_keeps_pefts_own_layers(tiny_model_folder: Path) -> None:
    model = tuned(tiny_model_folder, dropout=0.1)
    speed_up(model, IDS[:1])
    assert not [
        module for module in model.modules() if "forward" in vars(module) and "lora" in str(type(module))
    ]


def test_layers_that_only_look_alike_are_put_back(tiny_model_folder: Path) -> None:
    model = tuned(tiny_model_folder)
    mlp = model.get_base_model().model.layers[0].mlp
    kind = type(mlp)

    class Doubling(kind):  # type: ignore[misc, valid-type]
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) * 2

    mlp.__class__ = Doubling
    wanted, _ = loss_and_gradients(model)
    assert not speed_up(model, IDS[:1])
    assert not [module for module in model.modules() if "forward" in vars(module)]
    assert model.config._attn_implementation == "sdpa"
    assert loss_and_gradients(model)[0] == wanted


def test_a_row_longer_than_short_attention_takes_goes_through_torchs_own(
    tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tuned(tiny_model_folder)
    wanted, _ = loss_and_gradients(model)
    speed_up(model, IDS[:1])
    monkeypatch.setattr(layers, "SHORT", 4)
    assert loss_and_gradients(model)[0] == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("packed", [True, False])
def test_away_from_the_cpu_attention_is_torchs_own(
    tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    monkeypatch.delattr(layers, "causal_attention")
    module = load_model(tiny_model_folder, dtype="float32").model.layers[0].self_attn
    query = torch.zeros(1, 4, 20, 16, device="meta")  # in the place of a GPU: shapes without numbers
    key = value = query[:, :2]
    mask = torch.ones(1, 1, 20, 20, dtype=torch.bool, device="meta") if packed else None
    positions = torch.arange(20, device="meta").remainder(8 if packed else 20).unsqueeze(0)
    settings = {"position_ids": positions, "scaling": 0.25}
    out, _ = layers._short_attention(module, query, key, value, mask, **settings)
    assert out.shape == (1, 20, 4, 16)


def test_a_model_that_scales_its_logits_is_refused(tiny_model_folder: Path) -> None:
    model = tuned(tiny_model_folder)
    base = model.get_base_model()
    forward = base.forward

    def scaled(**inputs: Any) -> Any:
        out = forward(**inputs)
        out.logits = out.logits / 8
        return out

    check_output_layer(model, IDS[:1])
    base.forward = scaled
    base.lm_head.weight.data.mul_(50)
    with pytest.raises(BadInput, match="changes its logits"):
        check_output_layer(model, IDS[:1])


def test_a_target_that_the_model_lacks_is_refused_with_the_names_it_has(tiny_model_folder: Path) -> None:
    with pytest.raises(BadInput, match=r'no layer "c_attn".*q_proj'):
        add_lora(
            load_model(tiny_model_folder, dtype="float32"), TrainStage(lora=Lora(targets=("c_attn",))), "tiny"
        )


def test_the_first_weights_depend_on_the_seed_alone(tiny_model_folder: Path) -> None:
    def first(seed: int) -> torch.Tensor:
        torch.manual_seed(torch.seed())
        model = add_lora(load_model(tiny_model_folder, dtype="bfloat16"), TrainStage(seed=seed), "tiny")
        return next(weight for name, weight in model.named_parameters() if "lora_A" in name).detach()

    assert torch.equal(first(3), first(3))
    assert not torch.equal(first(3), first(4))
    assert first(3).dtype is torch.float32


@pytest.mark.slow
def test_faster_layers_agree_with_the_real_models_own_in_bfloat16(starter_folder: Path) -> None:
    model = add_lora(load_model(starter_folder, dtype="bfloat16"), TrainStage(), "starter")
    loss, wanted = loss_and_gradients(model)
    assert speed_up(model, IDS[:1])
    fast_loss, got = loss_and_gradients(model)
    assert fast_loss == pytest.approx(loss, rel=0.01)
    ours, theirs = (torch.cat([part[name].flatten() for name in wanted]) for part in (got, wanted))
    assert torch.nn.functional.cosine_similarity(ours, theirs, dim=0) > 0.99
