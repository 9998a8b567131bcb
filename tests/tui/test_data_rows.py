"""`tunery data review` and `generate`: a person's word on each row, and a party that answers over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PASSAGE = "The hut at Oxenlee has 24 beds. Dogs may sleep in the porch for 5 euros a night."

Tunery = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def tunery(tmp_path: Path) -> Tunery:
    """Runs the command in `tmp_path`; `typed` is what a person types."""

    def run(*arguments: str, typed: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tui.cli", "data", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TUNERY_HOME": str(tmp_path / "home"), **env},
            input=typed,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return run


def proposed(question: str, answer: str, ask: str) -> dict[str, Any]:
    source = {"document": "huts.md", "title": "Huts", "heading": "Oxenlee", "start": 10, "end": 91}
    return {
        "messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}],
        "source": {**source, "text": PASSAGE},
        "support": 1.0,
        "state": "proposed",
        "kind": "fact",
        "ask": ask,
        "model": "somebody",
    }


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Three rows that wait."""
    file = tmp_path / "proposed.jsonl"
    texts = [
        ("How many beds are there?", "24 beds."),
        ("May my dog \x1b[2Jsleep inside?", "In the porch."),
        ("What is it?", "5 euros."),
    ]
    lines = [json.dumps(proposed(*text, ask=f"{n:016x}")) for n, text in enumerate(texts)]
    file.write_text("\n".join(lines) + "\n")
    return file


def states(file: Path) -> list[str]:
    return [json.loads(line)["state"] for line in file.read_text().splitlines()]


def test_each_row_is_shown_with_its_passage_and_decided(tunery: Tunery, rows: Path) -> None:
    done = tunery("review", rows.name, typed="a\nreject\ns\n")
    assert done.returncode == 0, done.stderr
    assert states(rows) == ["accepted", "rejected", "proposed"]
    assert "1 proposed, 1 accepted, 1 rejected" in done.stdout
    assert "Dogs may sleep in the porch" in done.stderr
    assert "How many beds are there?" in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("typed", ["a\nq\n", "a\n"])
def test_leaving_keeps_what_was_decided_and_a_second_call_goes_on(
    tunery: Tunery, rows: Path, typed: str
) -> None:
    tunery("review", rows.name, typed=typed)
    assert states(rows) == ["accepted", "proposed", "proposed"]
    again = tunery("review", rows.name, typed="r\nr\n")
    assert states(rows) == ["accepted", "rejected", "rejected"]
    assert "How many beds" not in again.stderr
    assert "No row waits" in tunery("review", rows.name).stderr


def test_an_edited_row_is_checked_again_and_still_has_to_be_accepted(tunery: Tunery, rows: Path) -> None:
    done = tunery("review", rows.name, typed="e\nWhat does a dog cost?\n900 dollars in Zermatt.\nq\n")
    assert "   !  " in done.stderr
    first = json.loads(rows.read_text().splitlines()[0])
    assert first["state"] == "proposed"
    assert first["messages"][0]["content"] == "What does a dog cost?"
    tunery("review", rows.name, typed="e\n\n5 euros a night.\na\nq\n")
    first = json.loads(rows.read_text().splitlines()[0])
    assert first["state"] == "accepted"
    assert [turn["content"] for turn in first["messages"]] == ["What does a dog cost?", "5 euros a night."]


def test_a_word_that_means_nothing_decides_nothing(tunery: Tunery, rows: Path) -> None:
    done = tunery("review", rows.name, typed="yes\nA\n")
    assert states(rows) == ["proposed"] * 3
    assert done.stderr.count("a accepts, r rejects") >= 2


def test_as_json_the_rows_are_listed_and_nothing_is_asked(tunery: Tunery, rows: Path) -> None:
    found = json.loads(tunery("review", rows.name, "--json", typed="a\na\na\n").stdout)
    assert found["counts"] == {"proposed": 3, "accepted": 0, "rejected": 0}
    assert [row["line"] for row in found["rows"]] == [1, 2, 3]
    assert states(rows) == ["proposed"] * 3


def test_other_files_are_refused_with_their_line(tunery: Tunery, tmp_path: Path) -> None:
    (tmp_path / "other.jsonl").write_text('{"text": "Hello"}\n')
    done = tunery("review", "other.jsonl")
    assert done.returncode == 2
    assert "other.jsonl line 1" in done.stderr


@pytest.fixture
def endpoint() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Somebody else's API: the address, and what it was asked. Each answer asks about another thing."""
    heard: list[dict[str, Any]] = []
    replies = [
        ("How many beds does the hut at Oxenlee have?", "The hut at Oxenlee has 24 beds."),
        ("What does a night in the porch cost for dogs?", "Dogs sleep in the porch for 5 euros a night."),
    ]

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            heard.append({**body, "key": self.headers.get("authorization")})
            question, answer = replies[len(heard) % len(replies)]
            content = json.dumps({"question": question, "answer": answer})
            choice = {
                "index": 0,
                "message": {"role": "assistant", "content": content},
                "finish_reason": "stop",
            }
            said = json.dumps({"choices": [choice]}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1", heard
    server.shutdown()
    server.server_close()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A recipe whose only row asks about the beds already, and a folder with one document."""
    row = proposed("How many beds does the hut at Oxenlee have?", "24.", "0")["messages"]
    (tmp_path / "rows.jsonl").write_text(json.dumps({"messages": row}) + "\n")
    recipe = {"name": "huts", "model": {"base": "smollm2-135m-instruct"}}
    recipe["data"] = {"sources": [{"path": "rows.jsonl"}]}
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "huts.md").write_text(f"# Huts\n\n## Oxenlee\n\n{PASSAGE}\n")
    return tmp_path


def test_rows_are_proposed_by_an_endpoint_and_wait_for_a_person(
    tunery: Tunery, project: Path, endpoint: tuple[str, list[dict[str, Any]]]
) -> None:
    url, heard = endpoint
    words = ("generate", "recipe.yaml", "--docs", "docs", "--out", "new.jsonl", "--endpoint", url)
    done = tunery(*words, "--model", "m", "--key-from", "MY_KEY", "--json", MY_KEY="s3cret")
    assert done.returncode == 0, done.stderr
    assert heard and {ask["key"] for ask in heard} == {"Bearer s3cret"}
    made = [json.loads(line) for line in (project / "new.jsonl").read_text().splitlines()]
    # The recipe asks about the beds already.
    assert [row["messages"][0]["content"] for row in made] == [
        "What does a night in the porch cost for dogs?"
    ]
    assert made[0]["state"] == "proposed"
    assert json.loads(done.stdout)["proposed"] == 1
    assert "tunery data review new.jsonl" in done.stderr
    assert not any("s3cret" in path.read_text() for path in project.rglob("*.jsonl"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--endpoint", "http://127.0.0.1:9/v1"], "needs --model"),
        (["--key-from", "MY_KEY"], "belongs to --endpoint"),
        (["--kind", "riddle"], "riddle"),
        (["--endpoint", "http://example.org/v1", "--model", "m"], "https"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is(
    tunery: Tunery, project: Path, options: list[str], said: str
) -> None:
    done = tunery("generate", "recipe.yaml", "--docs", "docs", "--out", "new.jsonl", *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (project / "new.jsonl").exists()
