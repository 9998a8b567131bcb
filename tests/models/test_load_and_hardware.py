"""Loading from local folders only, and what is known of the machine without torch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.models import hardware
from core.models.hardware import describe_hardware, pick_precision
from core.models.load import load_model, load_tokenizer
from serve.chat import ChatFormat, Message
from tunery.errors import BadInput, NotThere


def test_a_model_is_loaded_in_the_dtype_asked_for(tiny_model_folder):
    import torch

    for dtype in ("float32", "bfloat16"):
        model = load_model(tiny_model_folder, dtype=dtype)
        assert {weight.dtype for weight in model.parameters()} == {getattr(torch, dtype)}
        assert not model.training
    with pytest.raises(ValueError, match="dtype is one of"):
        load_model(tiny_model_folder, dtype="float16")


def test_an_adapter_changes_what_the_model_says_and_is_frozen(tiny_model_folder, tmp_path):
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(3)
    config = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(load_model(tiny_model_folder, dtype="float32"), config).save_pretrained(str(tmp_path))
    ids = torch.tensor([[1, 9690, 198, 2]])
    plain = load_model(tiny_model_folder, dtype="float32")
    tuned = load_model(tiny_model_folder, dtype="float32", adapter=tmp_path)
    with torch.no_grad():
        assert not torch.allclose(plain(ids).logits, tuned(ids).logits)
    assert not any(weight.requires_grad for weight in tuned.parameters())


def test_folders_without_a_model_or_adapter_are_not_there(tiny_model_folder, tmp_path):
    with pytest.raises(NotThere, match=r"no config\.json"):
        load_model(tmp_path, dtype="float32")
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(NotThere, match=r"no adapter_model\.safetensors"):
        load_model(tiny_model_folder, dtype="float32", adapter=tmp_path)


def test_weights_as_pickles_are_never_read(tiny_model_folder, tmp_path):
    import torch

    (tmp_path / "config.json").write_text((tiny_model_folder / "config.json").read_text())
    torch.save(load_model(tiny_model_folder, dtype="float32").state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(BadInput, match="cannot be loaded"):
        load_model(tmp_path, dtype="float32")


def test_the_tokenizer_of_transformers_cuts_text_as_the_renderer_does(starter_chat_folder):
    tokenizer, chat = load_tokenizer(starter_chat_folder), ChatFormat.open(starter_chat_folder)
    turns = [Message("user", "Order 12345 on 2024-01-02, ٣٤ ½ 日本"), Message("assistant", "99.50 EUR")]
    expected = tokenizer.apply_chat_template([turn.to_dict() for turn in turns], return_dict=True)[
        "input_ids"
    ]
    assert chat.render(turns, add_generation_prompt=False).ids == expected
    assert chat.stop_ids == (tokenizer.eos_token_id,)


def test_the_machine_is_described_without_torch():
    code = (
        "import sys; from core.models.hardware import describe_hardware, pick_precision;"
        "import dataclasses, json; print(json.dumps(dataclasses.asdict(describe_hardware())));"
        "assert pick_precision('auto') in ('bfloat16', 'float32');"
        "assert not {'torch', 'numpy', 'psutil'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seen = json.loads(done.stdout)
    assert seen["cores"] >= 1
    assert seen["memory_bytes"] > 2**28
    assert seen["device_name"]


def test_the_device_is_the_one_that_torch_would_take():
    import torch

    assert describe_hardware().device_kind == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize(
    ("flags", "fast"),
    [
        ("avx2 avx512_bf16", True),
        ("amx_tile amx_bf16", True),
        ("fp asimd bf16", True),
        ("avx2 avx512f", False),
    ],
)
def test_bfloat16_is_fast_where_the_processor_multiplies_it(flags, fast, monkeypatch):
    name = "Features" if "asimd" in flags else "flags"
    monkeypatch.setattr(hardware, "_torch_has_cuda", lambda: False)
    monkeypatch.setattr(
        hardware,
        "_read",
        lambda path: f"model name\t: X\n{name}\t: {flags}\n" if path == "/proc/cpuinfo" else "",
    )
    assert describe_hardware().fast_bfloat16 == fast
    assert pick_precision("auto") == ("bfloat16" if fast else "float32")
    assert pick_precision("float32") == "float32"
    assert pick_precision("bfloat16") == "bfloat16"


def test_limits_of_a_control_group_count(monkeypatch):
    files = {"/sys/fs/cgroup/cpu.max": "150000 100000\n", "/sys/fs/cgroup/memory.max": f"{2**30}\n"}
    monkeypatch.setattr(hardware, "_read", lambda path: files.get(path, ""))
    seen = describe_hardware()
    assert seen.cores <= 2
    assert seen.memory_bytes == 2**30


@pytest.mark.parametrize(
    ("line", "cuda"),
    [("cuda: Optional[str] = None", False), ("cuda: Optional[str] = '13.0'", True), ("", False)],
)
def test_a_torch_built_for_cuda_is_told_by_its_version_file(line, cuda, monkeypatch):
    monkeypatch.setattr(
        hardware, "_read", lambda path: f"git = 'x'\n{line}\n" if Path(path).name == "version.py" else ""
    )
    assert hardware._torch_has_cuda() == cuda
