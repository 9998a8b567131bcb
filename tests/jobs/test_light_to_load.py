"""What faces call loads nothing heavy, and so does the worker that supervises for hours."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "pydantic",
    "numpy",
    "torch",
    "transformers",
    "peft",
    "textual",
    "chromadb",
    "llama_cpp",
    "yaml",
    "jinja2",
}


def loaded_by(code: str) -> set[str]:
    report = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    words = [sys.executable, "-P", "-c", f"{code}; {report}"]
    return set(subprocess.run(words, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("module", ["records", "attach", "control", "submit", "recover", "outputs", "worker"])
def test_a_module_of_jobs_loads_nothing_heavy(module: str) -> None:
    assert not loaded_by(f"import core.jobs.{module}") & HEAVY


def test_the_child_loads_nothing_heavy_before_its_step(tmp_path: object) -> None:
    assert not loaded_by("import core.pipeline.child, core.pipeline.steps, core.pipeline.needs") & HEAVY
