"""The real SmolLM2: one export of each quantization within the default thresholds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from core.data.prepare import prepare
from core.export.step import export
from core.recipe.data import DataSection
from core.recipe.sections import PrepareSection
from serve.model_folder import open_model
from tunery.files import read_json

from .conftest import Bench, wish, write_adapter


@pytest.mark.slow
def test_smollm2_is_equal_enough_in_every_quantization(
    starter_folder: Path, tiny_rows: Path, tmp_path: Path
) -> None:
    adapter = write_adapter(starter_folder, tmp_path / "adapter", scale=0.002)
    bench = Bench({"base": starter_folder, "model": adapter}, tmp_path / "shared", tmp_path)
    bench.shared.mkdir()
    data = DataSection.model_validate({"sources": [{"path": str(tiny_rows)}]})
    prepared = bench.context(tmp_path / "prepare")
    prepare(PrepareSection(data=data, max_length=256), prepared)
    bench = dataclasses.replace(bench, inputs={**bench.inputs, "dataset": prepared.out})

    found = {}
    for quant in ("f16", "q8_0", "q4_k_m"):
        context = bench.context(tmp_path / quant)
        export(wish(quant), context)
        assert open_model(context.out).manifest.quant == quant
        found[quant] = read_json(context.out / "parity.json")["subjects"][0]

    assert all(subject["token_mismatches"] == 0 for subject in found.values())
    assert found["f16"]["kl"] < found["q8_0"]["kl"] < found["q4_k_m"]["kl"]
    assert found["f16"]["size_bytes"] > found["q8_0"]["size_bytes"] > found["q4_k_m"]["size_bytes"]
