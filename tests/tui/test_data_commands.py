"""`tunery data ...` as a user and a script meet it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ANSWERED = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]}
UNANSWERED = {"messages": [*ANSWERED["messages"], {"role": "user", "content": "and now?"}]}

Tunery = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def tunery(tmp_path: Path) -> Tunery:
    """Runs the command in `tmp_path`, with a workspace of its own."""

    def run(*arguments: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tui.cli", "data", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TUNERY_HOME": str(tmp_path / "home"), **env},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return run


def write_rows(path: Path, *rows: Any, count: int = 1) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows for _ in range(count)))


def numbered(count: int, about: str = "hut") -> list[dict[str, Any]]:
    """Conversations about things that differ in more than a number."""
    words = ["snow", "dogs", "beds", "soup", "keys", "maps", "rain", "boots", "lamps", "trains"]
    return [
        {
            "messages": [
                {
                    "role": "user",
                    "content": f"What about {words[n % 10]} and {words[n // 10 % 10]} at {about} {n}?",
                },
                {
                    "role": "assistant",
                    "content": f"{words[n % 10].title()} number {n} wait behind {about} {n}.",
                },
            ]
        }
        for n in range(count)
    ]


def write_recipe(folder: Path, base: Path | str = "smollm2-135m-instruct", **data: Any) -> Path:
    write_rows(folder / "rows.jsonl", *numbered(40))
    section = {"sources": [{"path": "rows.jsonl"}], **data}
    recipe = folder / "recipe.yaml"
    recipe.write_text(
        json.dumps(
            {"name": "huts", "model": {"base": str(base)}, "data": section, "train": {"max_length": 256}}
        )
    )
    return recipe


def test_a_file_alone_is_inspected_with_the_keys_that_scripts_rely_on(tunery: Tunery, tmp_path: Path) -> None:
    write_rows(tmp_path / "tickets.jsonl", *numbered(30), UNANSWERED)
    done = tunery("inspect", "tickets.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["path"], found["format"], found["rows"], found["usable"]) == (
        "tickets.jsonl",
        "messages",
        31,
        30,
    )
    (finding,) = [item for item in found["findings"] if item["severity"] == "error"]
    assert (finding["code"], finding["count"]) == ("unanswered", 1)
    assert finding["examples"][0]["line"] == 31
    assert "data.clean" in finding["fix"]
    assert set(found["tokens"]) >= {"trained", "context", "max_length"}


def test_the_report_for_people_names_line_and_key(tunery: Tunery, tmp_path: Path) -> None:
    write_rows(tmp_path / "tickets.jsonl", *numbered(30), UNANSWERED)
    done = tunery("inspect", "tickets.jsonl")
    assert done.returncode == 0
    assert "✗ unanswered, 1 row (error)" in done.stdout
    assert "line 31" in done.stdout
    assert "would not start" in done.stdout


def test_a_setting_can_be_tried_on_a_file_before_there_is_a_recipe(tunery: Tunery, tmp_path: Path) -> None:
    write_rows(tmp_path / "tickets.jsonl", *numbered(30), UNANSWERED)
    done = tunery("inspect", "tickets.jsonl", "--json", "--set", "data.clean.unanswered=drop")
    assert json.loads(done.stdout)["dropped"]["unanswered"] == 1
    wrong = tunery("inspect", "tickets.jsonl", "--set", "data.clean.unansered=drop")
    assert wrong.returncode == 2
    assert "did you mean 'unanswered'" in wrong.stderr


def test_the_page_is_one_file_without_anything_from_elsewhere(tunery: Tunery, tmp_path: Path) -> None:
    hostile = json.loads(json.dumps(UNANSWERED).replace("and now?", "<script>alert(1)</script>"))
    write_rows(tmp_path / "tickets.jsonl", *numbered(30), hostile)
    done = tunery("inspect", "tickets.jsonl", "--html", "report.html")
    assert (done.returncode, done.stdout) == (0, "")
    page = (tmp_path / "report.html").read_text()
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "unanswered" in page


def test_a_whole_recipe_is_inspected_without_its_model(tunery: Tunery, tmp_path: Path) -> None:
    write_recipe(tmp_path, "smollm2-135m-instruct", split={"validation": 0.1, "test": 0.1})
    done = tunery("inspect", "recipe.yaml", "--json")
    found = json.loads(done.stdout)
    assert found["rows"] == 40
    assert sum(split["rows"] for split in found["splits"].values()) == 40
    assert found["lengths"]["unit"] == "characters"
    assert not (tmp_path / "home" / "models").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["inspect", "nowhere.jsonl"], "nowhere.jsonl"),
        (["inspect", "recipe.yaml"], "recipe.yaml does not exist"),
        (["inspect", "rows.csv", "--tokens"], "needs a recipe"),
        (["tokens", "nothing"], "no runs here yet"),
        (["diff", "nothing", "other"], "no runs here yet"),
        (["review", "nowhere.jsonl"], "nowhere.jsonl"),
        (["generate", "recipe.yaml", "--docs", "docs", "--out", "out.jsonl"], "recipe.yaml does not exist"),
    ],
)
def test_bad_input_is_a_sentence_and_code_2(
    tunery: Tunery, tmp_path: Path, arguments: list[str], said: str
) -> None:
    (tmp_path / "rows.csv").write_text("prompt,completion\nHi,Hello\n")
    done = tunery(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_tokens_are_shown_and_a_second_look_finds_them_prepared(
    tunery: Tunery, tmp_path: Path, tiny_model_folder: Path
) -> None:
    write_recipe(tmp_path, tiny_model_folder)
    done = tunery("tokens", "recipe.yaml")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("⟦trained⟧")
    assert done.stdout.count("\ntrain row ") == 3
    assert "‹<|im_end|>›⟧" in done.stdout
    assert "--row 4" in done.stderr
    (artifact,) = (tmp_path / "home" / "artifacts" / "dataset").iterdir()
    written = (artifact / "artifact.json").stat().st_mtime_ns
    one = tunery("tokens", "recipe.yaml", "--row", "2", "--split", "validation", "--json")
    told = json.loads(one.stdout)
    assert (told["split"], told["row"]) == ("validation", 2)
    assert any(token["trained"] for token in told["tokens"])
    assert "".join(token["text"] for token in told["tokens"] if token["trained"]).endswith("<|im_end|>")
    assert [item.name for item in artifact.parent.iterdir()] == [artifact.name]
    assert (artifact / "artifact.json").stat().st_mtime_ns == written


def test_colour_is_for_those_who_want_it(tunery: Tunery, tmp_path: Path, tiny_model_folder: Path) -> None:
    write_recipe(tmp_path, tiny_model_folder)
    assert "\x1b" not in tunery("tokens", "recipe.yaml").stdout
    assert "\x1b[32m" in tunery("tokens", "recipe.yaml", FORCE_COLOR="1").stdout
    assert "\x1b" not in tunery("tokens", "recipe.yaml", FORCE_COLOR="1", NO_COLOR="1").stdout


def test_a_folder_without_a_recipe_is_a_folder_of_rows(tunery: Tunery, tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    for name in ("a", "b"):
        write_rows(tmp_path / "rows" / f"{name}.jsonl", *numbered(12))
    report = json.loads(tunery("inspect", "rows", "--json").stdout)
    assert [source["path"] for source in report["sources"]] == ["rows/a.jsonl", "rows/b.jsonl"]


def test_two_datasets_are_compared_by_folder(tunery: Tunery, tmp_path: Path, tiny_model_folder: Path) -> None:
    write_recipe(tmp_path, tiny_model_folder)
    folders = []
    for rows in (numbered(40), [*numbered(39), *numbered(2, "the bothy")]):
        write_rows(tmp_path / "rows.jsonl", *rows)
        assert tunery("inspect", "recipe.yaml", "--tokens").returncode == 0
        known = {str(item) for item in (tmp_path / "home" / "artifacts" / "dataset").iterdir()}
        folders.append((known - set(folders)).pop())
    found = json.loads(tunery("diff", *folders, "--json").stdout)
    assert (found["added"], found["removed"]) == (2, 1)
    assert found["settings"] == []
    shown = tunery("diff", *folders).stdout
    assert "B has 2 rows that A has not, and lacks 1 of A's" in shown
    same = tunery("diff", folders[0], folders[0])
    assert "the same 40 rows" in same.stdout
