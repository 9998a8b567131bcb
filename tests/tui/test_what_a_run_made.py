"""Which files of a run are read, served and shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.jobs.outputs import (
    export_to_serve,
    exports_of,
    parity_certificates,
    report_folder,
    serve_section_of,
)
from core.jobs.records import RunRecord
from core.jobs.status import StepStatus
from core.workspace.home import Workspace
from tui.serving import servers_of_run
from tunery.errors import NotThere


def make_run(root: Path, *exports: tuple[str, int]) -> tuple[Workspace, RunRecord]:
    """A run whose exports are (quantization, bytes); the last step was refused by parity."""
    workspace = Workspace(root)
    folder = workspace.run("tiny-1")
    steps = [StepStatus("prepare", "done", "dataset/d")]
    for position, (quant, size) in enumerate(exports):
        artifact = workspace.artifact("export", f"f{position}")
        artifact.mkdir(parents=True)
        (artifact / "model.gguf").write_bytes(b"x" * size)
        (artifact / "model.json").write_text(json.dumps({"quant": quant, "weights": ["model.gguf"]}))
        (artifact / "artifact.json").write_text("{}")
        (artifact / "parity.json").write_text(
            json.dumps({"subjects": [{"quant": quant, "verdict": "equal"}]})
        )
        steps.append(StepStatus(f"export[{position}]", "done", f"export/f{position}"))
    refused = folder / "work" / f"export[{len(exports)}]"
    refused.mkdir(parents=True)
    (refused / "parity.json").write_text(json.dumps({"subjects": [{"quant": "bad", "verdict": "different"}]}))
    (folder / "recipe.yaml").write_text("name: tiny\nserve: {port: 0, export: auto}\n")
    steps += [StepStatus(f"export[{len(exports)}]", "failed"), StepStatus("evaluate")]
    record = RunRecord("tiny-1", "tiny", "failed", None, None, None, None, "no", "B", 4, folder, tuple(steps))
    return workspace, record


def test_auto_serves_the_smallest_export_that_passed(tmp_path: Path) -> None:
    workspace, record = make_run(tmp_path, ("f16", 30), ("q4_k_m", 10), ("q8_0", 20))
    assert export_to_serve(workspace, record, "auto").quant == "q4_k_m"
    assert export_to_serve(workspace, record, "q8_0").size == 20
    assert [export.quant for export in exports_of(workspace, record)] == ["f16", "q4_k_m", "q8_0"]


def test_an_export_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    workspace, record = make_run(tmp_path, ("f16", 30))
    with pytest.raises(NotThere, match="it has f16"):
        export_to_serve(workspace, record, "q2_k")


def test_parity_shows_the_refused_export_too(tmp_path: Path) -> None:
    workspace, record = make_run(tmp_path, ("f16", 30))
    verdicts = [found["subjects"][0]["verdict"] for found in parity_certificates(workspace, record)]
    assert verdicts == ["equal", "different"]


def test_a_run_without_results_says_how_to_watch_it(tmp_path: Path) -> None:
    workspace, record = make_run(tmp_path)
    for ask in (exports_of, report_folder):
        with pytest.raises(NotThere, match="tunery attach tiny-1"):
            ask(workspace, record)


def test_the_recipe_of_the_run_says_how_it_is_served(tmp_path: Path) -> None:
    _, record = make_run(tmp_path, ("f16", 30))
    section = serve_section_of(record)
    assert (section.port, section.export, section.host) == (0, "auto", "127.0.0.1")


def test_a_server_that_is_gone_is_not_the_runs_server(tmp_path: Path) -> None:
    workspace, record = make_run(tmp_path, ("f16", 30))
    folder = workspace.servers / "tiny-abc"
    folder.mkdir(parents=True)
    status: dict[str, Any] = {
        "id": "tiny-abc",
        "name": "tiny",
        "model": str(exports_of(workspace, record)[0].folder.resolve()),
        "url": "http://127.0.0.1:1/v1",
        "pid": 2**22 + 1,
        "process_start": 1,
        "state": "ready",
        "started": "2026-11-22T04:00:00+00:00",
        "error": None,
    }
    (folder / "status.json").write_text(json.dumps(status))
    assert servers_of_run(workspace, record) == []


@pytest.mark.parametrize("given", ["recipe.yaml", "."])
def test_a_recipe_stands_for_its_newest_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    from tui.cli.arguments import named_run

    asked: list[str | None] = []
    (tmp_path / "recipe.yaml").write_text("name: tiny\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("core.jobs.records.find_run", lambda workspace, ref: asked.append(ref))
    named_run(Workspace(tmp_path), given)
    named_run(Workspace(tmp_path), "tiny-0")
    named_run(Workspace(tmp_path), None)
    assert asked == ["tiny", "tiny-0", None]
