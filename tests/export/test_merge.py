"""Merging: the merged model is base plus adapter, and an adapter that does nothing is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.models.load import load_model
from core.models.merge import merge_adapters
from serve.model_folder import open_model, read_model_manifest
from tunery.errors import BadInput, BrokenIntegrity

from .conftest import write_adapter

PROBES = [[1, 9690, 198, 2683, 359], [1, 4093, 198, 40, 1000, 77]]


def test_the_merged_model_speaks_as_base_plus_adapter(
    tiny_model_folder: Path, random_adapter: Path, tmp_path: Path
) -> None:
    import torch

    report = merge_adapters(tiny_model_folder, random_adapter, tmp_path, name="clerk", probes=PROBES)

    assert report.positions == 11
    assert report.kl_to_base > 1e-6
    assert report.kl_to_unmerged < 1e-9
    ids = torch.tensor([PROBES[0]])
    with torch.inference_mode():
        merged = load_model(tmp_path, dtype="float32")(ids).logits
        beside = load_model(tiny_model_folder, dtype="float32", adapter=random_adapter)(ids).logits
    assert torch.allclose(merged, beside, atol=1e-5)


def test_the_merged_folder_keeps_the_chat_files_and_no_path_of_this_machine(
    tiny_model_folder: Path, random_adapter: Path, tmp_path: Path
) -> None:
    merge_adapters(tiny_model_folder, random_adapter, tmp_path, name="clerk", probes=PROBES)

    made, base = open_model(tmp_path).manifest, read_model_manifest(tiny_model_folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"):
        assert made.files[name] == base.files[name]
    assert (made.name, made.format, made.context_length) == ("clerk", "safetensors", base.context_length)
    assert "/" not in json.dumps(json.loads((tmp_path / "config.json").read_text(encoding="utf-8")))


def test_adapters_of_two_stages_are_merged_in_their_order(tiny_model_folder: Path, tmp_path: Path) -> None:
    from core.models.adapters import carry_adapters

    first = write_adapter(tiny_model_folder, tmp_path / "first", scale=0.05, seed=1)
    second = write_adapter(tiny_model_folder, tmp_path / "second", scale=0.05, seed=2)
    carry_adapters(first, second)
    (tmp_path / "merged").mkdir()

    report = merge_adapters(tiny_model_folder, second, tmp_path / "merged", name="clerk", probes=PROBES)

    assert report.kl_to_unmerged < 1e-9


def test_an_adapter_that_learned_nothing_is_refused(tiny_model_folder: Path, tmp_path: Path) -> None:
    idle = write_adapter(tiny_model_folder, tmp_path / "idle", scale=0.0)
    (tmp_path / "merged").mkdir()

    with pytest.raises(BrokenIntegrity, match=r"changes nothing.*train for more steps"):
        merge_adapters(tiny_model_folder, idle, tmp_path / "merged", name="clerk", probes=PROBES)

    assert not any((tmp_path / "merged").iterdir())


def test_an_adapter_of_another_model_is_refused(
    tiny_model_folder: Path, random_adapter: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(random_adapter / "adapter_model.safetensors")
    other = tmp_path / "other"
    other.mkdir()
    save_file(
        {name: tensor.repeat(2, 2) for name, tensor in weights.items()}, other / "adapter_model.safetensors"
    )
    (other / "adapter_config.json").write_bytes((random_adapter / "adapter_config.json").read_bytes())
    (tmp_path / "merged").mkdir()

    with pytest.raises(BadInput, match="does not fit the base model"):
        merge_adapters(tiny_model_folder, other, tmp_path / "merged", name="clerk", probes=PROBES)
