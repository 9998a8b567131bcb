"""The export step on a tiny model: what it leaves, and when it refuses."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.export.render import parity_table
from core.export.step import export
from core.workspace.events import Log, Metric, Progress
from serve.model_folder import open_model, read_model_manifest, write_model_manifest
from tunery.errors import BrokenIntegrity, NoRoom, NotThere, Stopped
from tunery.files import read_json

from .conftest import Bench, wish

NO_ROOM = shutil.disk_usage(".")._replace(free=0)


@pytest.fixture
def made(bench: Bench, tmp_path: Path) -> Path:
    """A run's shared folder of one's own, filled as the first export filled it."""
    if not (bench.shared / "parity-reference").is_dir():
        export(wish("f16"), bench.context(tmp_path / "first"))
    return Path(shutil.copytree(bench.shared, tmp_path / "shared"))


@pytest.mark.parametrize(("quant", "bits"), [("f16", 16.0), ("q8_0", 8.5)])
def test_a_tuned_model_becomes_a_folder_that_can_be_served_with_a_certificate(
    bench: Bench, tmp_path: Path, quant: str, bits: float
) -> None:
    context = bench.context(tmp_path)

    result = export(wish(quant), context)

    model, base = open_model(context.out), read_model_manifest(bench.inputs["base"])
    assert (model.manifest.name, model.manifest.quant) == ("shelf-clerk", quant)
    assert model.manifest.template_sha256 == base.template_sha256
    assert model.manifest.stop_ids == base.stop_ids
    certificate = read_json(context.out / "parity.json")
    subject = certificate["subjects"][0]
    assert certificate["verdict"] == subject["verdict"] == "equal"
    assert (subject["token_mismatches"], subject["stop_ids_equal"]) == (0, True)
    assert subject["prompts"] >= 4 + 18
    assert subject["kl"] < 1e-4
    assert subject["size_bytes"] == (context.out / "model.gguf").stat().st_size
    assert certificate["hashes"]["weights"] == model.manifest.files["model.gguf"]
    assert {"llama-cpp-python", "xllamacpp"} <= certificate["builds"].keys()
    assert "two builds of llama.cpp" in " ".join(certificate["notes"])
    assert result.metrics["bits_per_weight"] == pytest.approx(bits, abs=0.05)
    assert any(isinstance(event, Progress) for event in bench.events)
    assert any(isinstance(event, Metric) and "kl" in event.metrics for event in bench.events)


def test_the_second_export_uses_what_the_first_one_left(bench: Bench, made: Path, tmp_path: Path) -> None:
    bench.events.clear()

    export(wish("q8_0"), bench.context(tmp_path / "second", shared=made))

    said = [event.text for event in bench.events if isinstance(event, Log)]
    assert said == ["writing GGUF q8_0"]


def test_a_matrix_that_cannot_be_cut_into_blocks_is_reported_with_its_larger_type(
    bench: Bench, made: Path, tmp_path: Path
) -> None:
    result = export(wish("q4_k_m"), bench.context(tmp_path / "small", shared=made))

    fallbacks = {item["tensor"]: item["type"] for item in result.details["fallbacks"]}
    assert fallbacks["blk.*.attn_q.weight"] == "Q5_0"
    assert fallbacks["token_embd.weight"] == "Q8_0"


def test_another_chat_template_inside_the_gguf_is_named(bench: Bench, made: Path, tmp_path: Path) -> None:
    _rewrite(made / "gguf-f16", b"helpful AI assistant", b"harmful AI assistant")

    _expect_red(bench, made, tmp_path, "chat template", "GGUF")


def test_another_stop_token_inside_the_gguf_is_named(bench: Bench, made: Path, tmp_path: Path) -> None:
    key = b"tokenizer.ggml.eos_token_id" + (4).to_bytes(4, "little")
    _rewrite(made / "gguf-f16", key + (2).to_bytes(4, "little"), key + (17).to_bytes(4, "little"))

    _expect_red(bench, made, tmp_path, "stop tokens", "17")


def test_another_stop_token_in_the_merged_folder_is_named(bench: Bench, made: Path, tmp_path: Path) -> None:
    merged = made / "merged"
    settings = merged / "generation_config.json"
    settings.write_text(settings.read_text().replace("2\n", "2,\n    5\n", 1))
    _seal(merged)

    _expect_red(bench, made, tmp_path, "stop tokens", "5")


def test_a_tokenizer_that_cuts_otherwise_is_named_with_its_prompts(
    bench: Bench, made: Path, tmp_path: Path
) -> None:
    _rewrite(made / "gguf-f16", b"smollm", b"gpt-2\0")

    certificate = _expect_red(bench, made, tmp_path, "ids of GGUF tokenizer", "hard: ")

    subject = certificate["subjects"][0]
    assert subject["token_mismatches"] > 0
    assert subject["kl"] is None
    assert "hard: numbers" in str(certificate["checks"])
    assert "numbers" in parity_table([certificate])


def test_weights_that_were_changed_are_named_with_figure_and_row(
    bench: Bench, made: Path, tmp_path: Path
) -> None:
    gguf = made / "gguf-f16" / "model.gguf"
    raw = bytearray(gguf.read_bytes())
    raw[-4096:] = bytes(4096)
    gguf.write_bytes(raw)
    _seal(made / "gguf-f16")

    _expect_red(bench, made, tmp_path, "KL", "row", max_kl=1e-5, min_greedy_agreement=0.0)


def test_weights_that_are_no_numbers_are_named_and_the_certificate_is_still_json(
    bench: Bench, made: Path, tmp_path: Path
) -> None:
    gguf = made / "gguf-f16" / "model.gguf"
    raw = bytearray(gguf.read_bytes())
    raw[-256:] = b"\x00\x00\xc0\x7f" * 64
    gguf.write_bytes(raw)
    _seal(made / "gguf-f16")

    certificate = _expect_red(bench, made, tmp_path, "KL", "nan", min_greedy_agreement=0.0)

    assert certificate["subjects"][0]["kl"] is None
    json.loads((tmp_path / "red" / "work" / "parity.json").read_text(), parse_constant=pytest.fail)


def test_the_recipe_may_ask_for_equal_text_of_a_quantized_model(
    bench: Bench, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.export.greedy.COUNTED_GAP", -1.0)

    _expect_red(bench, made, tmp_path, "greedy text", "hard:", quant="q4_k_m", min_greedy_agreement=1.0)


def test_a_full_disk_is_noticed_before_anything_is_written(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: NO_ROOM)
    context = bench.context(tmp_path / "run", shared=tmp_path / "empty")

    with pytest.raises(NoRoom, match="free some space"):
        export(wish("f16"), context)

    assert _model_folders(tmp_path) == []
    assert not any(context.out.iterdir())


def test_a_stopped_export_goes_on_with_what_is_whole(bench: Bench, made: Path, tmp_path: Path) -> None:
    shutil.rmtree(made / "parity-reference")
    asked: list[int] = []
    stopped = bench.context(
        tmp_path / "run", shared=made, stop=lambda: len(asked) > 4 or bool(asked.append(1))
    )

    with pytest.raises(Stopped):
        export(wish("f16"), stopped)

    assert not any(stopped.out.iterdir())
    export(wish("f16"), dataclasses.replace(stopped, stop_requested=lambda: False))
    assert open_model(stopped.out).manifest.quant == "f16"


KILLED = """
import os, signal, sys, shutil
from pathlib import Path
from typing import Any
sys.path[:0] = {path!r}
from tests.export.conftest import Bench, wish
from core.export import step
real, count = shutil.move, [0]
def move(*arguments):
    count[0] += 1
    if count[0] == {moves}:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments)
step.shutil.move = move
root = Path({root!r})
bench = Bench({inputs!r}, Path({shared!r}), root)
def emit(event):
    if {say!r} in getattr(event, "text", getattr(event, "what", "")):
        os.kill(os.getpid(), signal.SIGKILL)
import dataclasses
import json
context = dataclasses.replace(bench.context(root / "run"), emit=emit)
context = dataclasses.replace(context, inputs={{k: Path(v) for k, v in bench.inputs.items()}})
step.export(wish("f16"), context)
"""


@pytest.mark.parametrize(
    ("say", "moves"), [("reference rows", 0), ("never said", 4)], ids=["in the reference", "while it moves"]
)
def test_a_killed_export_leaves_nothing_that_looks_whole(
    bench: Bench, made: Path, tmp_path: Path, say: str, moves: int
) -> None:
    if say == "reference rows":
        shutil.rmtree(made / "parity-reference")
    inputs = {role: str(path) for role, path in bench.inputs.items()}
    script = KILLED.format(
        path=sys.path, root=str(tmp_path), inputs=inputs, shared=str(made), say=say, moves=moves
    )

    ended = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)

    assert ended.returncode == -9, ended.stderr
    if say == "reference rows":
        assert not (made / "parity-reference").is_dir()
        assert list(made.glob(".partial-*"))
    with pytest.raises(NotThere):
        open_model(tmp_path / "run" / "out")
    again = bench.context(tmp_path / "again", shared=made)
    again = dataclasses.replace(again, work=tmp_path / "run" / "work")
    export(wish("f16"), again)
    assert open_model(again.out).manifest.quant == "f16"
    assert not list(made.glob(".partial-*"))


def test_a_kill_while_merging_leaves_no_merged_model(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("core.models.merge.write_model_manifest", die)
    context = bench.context(tmp_path / "run", shared=tmp_path / "empty")

    with pytest.raises(KeyboardInterrupt):
        export(wish("f16"), context)

    assert _model_folders(tmp_path) == []


def _expect_red(
    bench: Bench, shared: Path, folder: Path, check: str, detail: str, quant: str = "f16", **parity: float
) -> dict[str, Any]:
    """The export must fail at `check` and say `detail` there; returns the certificate it leaves."""
    context = bench.context(folder / "red", shared=shared)
    with pytest.raises(BrokenIntegrity, match=f"parity of {quant} failed at {check}: ") as caught:
        export(wish(quant, **parity), context)
    assert caught.value.exit_code == 4
    certificate = read_json(context.work / "parity.json")
    wrong = next(item for item in certificate["checks"] if not item["ok"])
    assert wrong["name"] == check
    assert detail in wrong["text"]
    assert certificate["verdict"] == "different"
    assert not any(context.out.iterdir())
    return dict(certificate)


def _rewrite(folder: Path, old: bytes, new: bytes) -> None:
    """Change bytes in the folder's GGUF and make its record fit, as a broken converter would."""
    gguf = folder / "model.gguf"
    raw = gguf.read_bytes()
    assert len(old) == len(new)
    assert old in raw
    gguf.write_bytes(raw.replace(old, new))
    _seal(folder)


def _seal(folder: Path) -> None:
    old = read_model_manifest(folder)
    write_model_manifest(
        folder,
        name=old.name,
        format=old.format,
        quant=old.quant,
        weights=old.weights,
        context_length=old.context_length,
    )


def _model_folders(root: Path) -> list[Path]:
    return sorted(path.parent for path in root.rglob("model.json"))
