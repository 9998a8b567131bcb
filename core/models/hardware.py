"""What this machine computes with, found without loading torch."""

from __future__ import annotations

import ctypes
import os
import platform
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

Precision = Literal["bfloat16", "float32"]

# Instruction sets that multiply bfloat16 matrices; without one it is slower than float32.
_FAST_BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}


@dataclass(frozen=True)
class Hardware:
    """The device that trains.

    `cores` and `memory_bytes` are what this process may use of the machine (affinity and
    control group considered); `device_memory_bytes` is the GPU's own, or `memory_bytes`.
    """

    device_kind: Literal["cpu", "cuda"]
    device_name: str
    cores: int
    memory_bytes: int
    device_memory_bytes: int
    fast_bfloat16: bool


@dataclass(frozen=True)
class _Gpu:
    name: str
    memory_bytes: int
    compute: tuple[int, int]


def describe_hardware() -> Hardware:
    """The first GPU that torch can use here, or else the CPU."""
    memory = _memory_bytes()
    gpu = _first_gpu() if _torch_has_cuda() else None
    if gpu is not None:
        return Hardware("cuda", gpu.name, _cores(), memory, gpu.memory_bytes, gpu.compute >= (8, 0))
    name, flags = _cpu()
    return Hardware("cpu", name, _cores(), memory, memory, bool(flags & _FAST_BFLOAT16))


def pick_precision(setting: str) -> Precision:
    """`train.precision` as a dtype name: "auto" is bfloat16 where the hardware does it fast."""
    if setting == "bfloat16" or (setting == "auto" and describe_hardware().fast_bfloat16):
        return "bfloat16"
    return "float32"


def _cores() -> int:
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _read("/sys/fs/cgroup/cpu.max").partition(" ")
    if quota.isdigit() and period.strip().isdigit():
        allowed = min(allowed, max(1, round(int(quota) / int(period))))
    return allowed


def _memory_bytes() -> int:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _read("/sys/fs/cgroup/memory.max").strip()
    return min(total, int(limit)) if limit.isdigit() else total


def _cpu() -> tuple[str, set[str]]:
    """Name and instruction sets of the first core."""
    text = _read("/proc/cpuinfo")
    name = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
    return (
        name.group(1).strip() if name else platform.processor() or platform.machine(),
        set(flags.group(1).split()) if flags else set(),
    )


def _torch_has_cuda() -> bool:
    """Whether the installed torch was built for CUDA: one line of a file of its, read and not run."""
    spec = find_spec("torch")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        return re.search(r"^cuda\b[^=]*=\s*['\"]", _read(f"{folder}/version.py"), re.MULTILINE) is not None
    return False


def _first_gpu() -> _Gpu | None:
    """Asked of the driver's own library (NVML), which needs no CUDA context."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and not re.match(r"\s*\d+", visible):
        # A list of UUIDs names devices too; only an empty one or -1 hides them all.
        if not visible.strip().startswith(("GPU-", "MIG-")):
            return None
        visible = None
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return None
    if nvml.nvmlInit_v2() != 0:
        return None
    try:
        return _ask_nvml(nvml, int(re.split(r"\D", visible.strip())[0]) if visible else 0)
    finally:
        nvml.nvmlShutdown()


def _ask_nvml(nvml: ctypes.CDLL, index: int) -> _Gpu | None:
    handle = ctypes.c_void_p()
    if nvml.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(handle)) != 0:
        return None
    name = ctypes.create_string_buffer(96)
    memory = (ctypes.c_ulonglong * 3)()  # total, free, used
    major, minor = ctypes.c_int(), ctypes.c_int()
    answers = (
        nvml.nvmlDeviceGetName(handle, name, ctypes.c_uint(96)),
        nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)),
        nvml.nvmlDeviceGetCudaComputeCapability(handle, ctypes.byref(major), ctypes.byref(minor)),
    )
    if any(answers):
        return None
    return _Gpu(name.value.decode("utf-8", "replace"), int(memory[0]), (major.value, minor.value))


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
