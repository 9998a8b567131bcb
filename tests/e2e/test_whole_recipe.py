"""One recipe from conversations to answers over HTTP, through the commands a user types."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

ROOT = Path(__file__).resolve().parents[2]
GOOD_ROWS = "".join(f'{{"prompt": "number {n}", "completion": "it is {n}"}}\n' for n in range(20))
Tunery = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def tunery(tmp_path: Path) -> Iterator[Tunery]:
    """Runs the command in a folder and workspace of its own; servers that it left are stopped."""
    home = tmp_path / "home"

    def command(
        *arguments: str, cwd: Path = tmp_path, timeout: float = 500
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(Path(sys.executable).with_name("tunery")), *arguments],
            cwd=cwd,
            env={**os.environ, "TUNERY_HOME": str(home)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    yield command
    for server in json.loads(command("servers", "--json").stdout or "[]"):
        if server["state"] in ("starting", "ready"):
            command("serve", "--stop", server["id"])


def recipe_for(base: Path, rows: Path, folder: Path, **changes: str) -> Path:
    settings = {
        "train": "{max_steps: 4, batch_size: 4, max_length: 256, learning_rate: 0.01}",
        "export": "[{quant: f16, parity: {prompts: 4}}, {quant: q8_0, parity: {prompts: 4}}]",
        "evaluate": "{max_rows: 3, max_new_tokens: 8, resamples: 200}",
        "serve": "{export: q8_0, port: 0, threads: 1}",
        **changes,
    }
    lines = [f"{key}: {value}" for key, value in settings.items()]
    path = folder / "recipe.yaml"
    path.write_text(
        f"name: tiny\nmodel: {{base: {base}}}\ndata: {{sources: [{{path: {rows}}}]}}\n"
        + "\n".join(lines)
        + "\n"
    )
    return path


def results(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_recipe_becomes_a_measured_model_that_answers_the_openai_client(
    tunery: Tunery, tmp_path: Path, tiny_model_folder: Path, tiny_rows: Path
) -> None:
    recipe = recipe_for(tiny_model_folder, tiny_rows, tmp_path)
    first = tunery("run", str(recipe), "--json")
    assert first.returncode == 0, first.stderr
    events = [json.loads(line) for line in first.stdout.splitlines()]
    final = events[-1]
    assert (final["state"], final["name"], final["error"]) == ("done", "tiny", None)
    finished = [event["step"] for event in events[:-1] if event["kind"] == "step_finished"]
    assert finished == ["prepare", "train[0]", "export[0]", "export[1]", "evaluate"]
    losses = [event["metrics"]["loss"] for event in events if "loss" in event.get("metrics", {})]
    assert losses[-1] < losses[0]

    report = results(tunery("report", "--json"))
    assert set(report["subjects"][0]) >= {"name"} or report["subjects"]
    assert {axis["name"] for axis in report["axes"]} >= {"loss", "rouge_l"}
    parity = results(tunery("parity", "--json"))
    assert [(subject["quant"], subject["token_mismatches"]) for subject in parity["subjects"]] == [
        ("f16", 0),
        ("q8_0", 0),
    ]

    server = results(tunery("serve", "--detach", "--port", "0", "--json"))
    client = openai.OpenAI(base_url=server["url"], api_key="none", max_retries=0)
    model = client.models.list().data[0].id
    reply = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "hello"}], max_tokens=5, temperature=0
    )
    assert reply.usage is not None
    assert 1 <= reply.usage.completion_tokens <= 5

    again = tunery("run", str(recipe), "--json")
    kinds = [json.loads(line)["kind"] for line in again.stdout.splitlines()[:-1]]
    assert kinds.count("step_skipped") == 5
    assert "step_started" not in kinds


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("", "empty"),
        ('{"prompt": "a", "completion": "b"}\n{"prompt": ', "line 2"),
        ('{"messages": [{"role": "user", "content": "a"}]}\n' * 12, "assistant"),
        (GOOD_ROWS + '{"prompt": "a", "completion": "' + "word " * 400 + '"}\n', "line 21"),
    ],
    ids=["empty file", "broken JSON", "no assistant turn", "answer longer than the context"],
)
def test_bad_data_ends_in_one_sentence_and_leaves_nothing_half_written(
    tunery: Tunery, tmp_path: Path, tiny_model_folder: Path, rows: str, said: str
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(rows)
    done = tunery("run", str(recipe_for(tiny_model_folder, path, tmp_path)))
    refused_in_a_sentence(done, said)
    artifacts = tmp_path / "home" / "artifacts"
    assert not [entry for entry in artifacts.rglob("*") if entry.is_file()] if artifacts.exists() else True


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "gone.yaml"), "does not exist"),
        (("check", "gone.yaml"), "does not exist"),
        (("attach", "nothing"), "no runs"),
        (("report",), "no run"),
        (("serve", "nothing"), "no runs"),
        (("init", "file/below"), "cannot be made"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_naming_what_is_not_there_ends_in_one_sentence(
    tunery: Tunery, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "file").write_text("")
    refused_in_a_sentence(tunery(*arguments), said)


def test_a_base_model_that_is_not_there_is_refused_before_anything_runs(
    tunery: Tunery, tmp_path: Path, tiny_rows: Path
) -> None:
    recipe = recipe_for(Path("nobody/no-such-model"), tiny_rows, tmp_path)
    refused_in_a_sentence(tunery("run", str(recipe)), "nobody/no-such-model")
    assert results(tunery("runs", "--json")) == []


def test_a_model_without_a_chat_template_is_refused(
    tunery: Tunery, tmp_path: Path, tiny_model_folder: Path, tiny_rows: Path
) -> None:
    import shutil

    base = tmp_path / "base"
    shutil.copytree(tiny_model_folder, base)
    (base / "chat_template.jinja").unlink()
    (base / "model.json").unlink()
    settings = json.loads((base / "tokenizer_config.json").read_text())
    settings.pop("chat_template", None)
    (base / "tokenizer_config.json").write_text(json.dumps(settings))
    refused_in_a_sentence(tunery("run", str(recipe_for(base, tiny_rows, tmp_path))), "chat template")


def test_what_init_writes_passes_check(tunery: Tunery, tmp_path: Path, starter_folder: Path) -> None:
    assert tunery("init", "demo").returncode == 0
    checked = tunery("check", "demo/recipe.yaml")
    assert checked.returncode == 0, checked.stderr


def refused_in_a_sentence(done: subprocess.CompletedProcess[str], said: str) -> None:
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert said in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.slow
def test_the_example_runs_on_the_real_model_with_few_steps(tunery: Tunery, tmp_path: Path) -> None:
    done = tunery(
        "run", "examples/support/recipe.yaml", "--json",
        "--set", "train.max_steps=12", "--set", "train.max_length=256",
        "--set", "export=[{quant: q8_0, parity: {prompts: 12}}]",
        "--set", "evaluate.max_rows=16", "--set", "evaluate.max_new_tokens=48",
        cwd=ROOT, timeout=580,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = results(tunery("report", "--json"))
    axes = {axis["name"]: axis for axis in report["axes"]}
    assert axes["loss"]["verdict"] == "better"
    parity = results(tunery("parity", "--json"))
    assert parity["subjects"][0]["token_mismatches"] == 0
