"""`make quickstart`: the main job from raw conversations to answers over HTTP, then a clean stop.

Everything goes through the commands that a user would type; each is printed first.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parent.parent
TUNERY = Path(sys.executable).with_name("tunery")
RECIPE = Path("examples/support/recipe.yaml")


@dataclass(frozen=True)
class Question:
    """A prompt of the held-out test file, and what the base model answered to it."""

    messages: list[dict[str, str]]
    reference: str
    base: str


def main() -> int:
    started = time.monotonic()
    code = show("run", str(RECIPE))
    if code:
        return code
    run = output("runs")[0]["id"]
    show("report", run)
    print()
    url = output("serve", run, "--detach", "--port", "0")["url"]
    try:
        model = httpx.get(f"{url}/models", timeout=30).json()["data"][0]["id"]
        print(f"Serving {model} at {url}. Three questions of the held-out test file, over HTTP:\n")
        for question in three_questions(run):
            ask(url, model, question)
    finally:
        show("serve", run, "--stop")
    print(f"\nDone in {time.monotonic() - started:.0f} seconds. Go on with:\n")
    print(textwrap.indent(what_next(run, model), "    "))
    return 0


def three_questions(run: str) -> Iterator[Question]:
    """One with a case number, one about the handbook, one that wants JSON."""
    answers = list(held_out_answers(run))
    for wanted in (
        lambda item: "Case " in item["reference"],
        lambda item: not item["structured"] and "Case " not in item["reference"],
        lambda item: item["structured"],
    ):
        item = next(item for item in answers if wanted(item))
        yield Question(item["prompt"], item["reference"], item["subjects"]["base"]["text"])


def held_out_answers(run: str) -> Iterator[dict[str, Any]]:
    report = Path(output("report", run)["path"]).with_name("rows.jsonl")
    for line in report.read_text(encoding="utf-8").splitlines():
        for answer in json.loads(line)["answers"]:
            if len(answer["prompt"]) == 1:
                yield answer


def ask(url: str, model: str, question: Question) -> None:
    body = {"model": model, "messages": question.messages, "temperature": 0}
    reply = httpx.post(f"{url}/chat/completions", json=body, timeout=120)
    reply.raise_for_status()
    tuned = reply.json()["choices"][0]["message"]["content"]
    for label, text in (
        ("asked", question.messages[-1]["content"]),
        ("base", question.base),
        ("tuned", tuned),
    ):
        lines = textwrap.wrap(" ".join(text.split()), 90) or ["(nothing)"]
        print(f"  {label:>5}  " + "\n         ".join(lines))
    print()


def what_next(run: str, model: str) -> str:
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "May I bring my dog?"}]})
    return (
        f"{shown(TUNERY)}                         the terminal app\n"
        f"{shown(TUNERY)} chat {run}     talk to it here\n"
        f"{shown(TUNERY)} serve {run}    serve it on port 8080, then:\n"
        "curl http://127.0.0.1:8080/v1/chat/completions -H 'content-type: application/json' \\\n"
        f"  -d '{body}'"
    )


def show(*arguments: str) -> int:
    """Run a tunery command as a user would, its output on the screen; return its exit code."""
    print(f"$ tunery {' '.join(arguments)}", flush=True)
    return subprocess.run([TUNERY, *arguments], cwd=ROOT, check=False).returncode


def output(*arguments: str) -> Any:
    """What a tunery command prints with --json."""
    done = subprocess.run([TUNERY, *arguments, "--json"], cwd=ROOT, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
    return json.loads(done.stdout)


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
