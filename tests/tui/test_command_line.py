"""The command line as a user and a script meet it, in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tui.crash import redact

ROOT = Path(__file__).parents[2]
HEAVY = ("textual", "torch", "transformers", "numpy", "pydantic", "chromadb", "rich", "tokenizers", "httpx")


def tunery(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tui.cli", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TUNERY_HOME": str(cwd / "home"), **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--help"], ["runs", "--json"], ["runs"], ["actions", "--json"], ["--version"]),
        *(["data"], ["data", "--help"], ["data", "inspect", "--help"], ["data", "generate", "--help"]),
    ],
)
def test_light_commands_load_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    script = (
        "import sys\n"
        f"sys.argv = ['tunery', *{arguments!r}]\n"
        "from tui.cli import main\n"
        "try:\n    main()\n"
        "finally:\n"
        "    print('\\nLOADED', *sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TUNERY_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded = done.stderr.split("LOADED ")[1].split()
    assert "tui" in loaded
    assert set(loaded).isdisjoint(HEAVY)


def test_help_names_every_exit_code_and_command(tmp_path: Path) -> None:
    from tui.actions import verbs

    shown = tunery("--help", cwd=tmp_path).stdout
    for code in ("0 done", "1 failed", "2 bad input", "3 the gate", "4 integrity", "130 interrupted"):
        assert code in " ".join(shown.split())
    for name in verbs():
        assert f"\n  {name} " in shown
    alone = tunery("data", cwd=tmp_path)
    assert alone.returncode == 0
    for name in verbs("data"):
        assert f"\n  {name} " in alone.stdout


def test_no_runs_is_an_empty_list_for_programs_and_a_hint_for_people(tmp_path: Path) -> None:
    done = tunery("runs", "--json", cwd=tmp_path)
    assert (done.returncode, json.loads(done.stdout), done.stderr) == (0, [], "")
    done = tunery("runs", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert "tunery run" in done.stderr


def test_init_then_check_says_what_would_run(tmp_path: Path) -> None:
    made = tunery("init", "project", "--json", cwd=tmp_path)
    assert made.returncode == 0
    assert all((tmp_path / name).is_file() for name in json.loads(made.stdout)["written"])
    checked = tunery("check", "project", "--json", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    found = json.loads(checked.stdout)
    assert found["ok"]
    assert [step["step"] for step in found["steps"]] == ["prepare", "train[0]", "export[0]", "evaluate"]
    assert found["data"]["rows"] == found["data"]["usable"] > 0


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    tunery("init", ".", cwd=tmp_path)
    before = (tmp_path / "recipe.yaml").read_bytes()
    again = tunery("init", ".", cwd=tmp_path)
    assert again.returncode == 2
    assert again.stdout == ""
    assert (tmp_path / "recipe.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["rum"], 2, "run"),
        (["data", "dif"], 2, "Did you mean 'diff'"),
        (["data", "inspect"], 2, "PATH"),
        (["run"], 2, "RECIPE"),
        (["serve", "--port", "99999"], 2, "65535"),
        (["run", "nowhere.yaml"], 2, "nowhere.yaml does not exist"),
        (["check", "project", "--set", "serve.prt=1"], 2, "did you mean 'port'"),
        (["attach", "nothing"], 2, "no runs here yet"),
        (["report"], 2, "run"),
        (["stop", "gone"], 2, "no runs here yet"),
    ],
)
def test_bad_input_is_a_sentence_and_code_2(
    tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    tunery("init", "project", cwd=tmp_path)
    done = tunery(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert done.stdout == ""
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_rows_that_cannot_be_trained_are_listed_and_refused(tmp_path: Path) -> None:
    tunery("init", "project", cwd=tmp_path)
    bad = tmp_path / "project" / "data" / "conversations.jsonl"
    bad.write_text(bad.read_text() + '{"messages": [{"role": "user", "content": "and now?"}]}\n')
    done = tunery("check", "project", cwd=tmp_path)
    assert done.returncode == 2
    assert "no answer" in done.stdout and "cannot run yet" in done.stdout


def test_a_mistake_of_ours_leaves_a_crash_file_without_values(tmp_path: Path) -> None:
    script = (
        "import sys, tui.cli\n"
        "secret = 'hf_abcdefghijklmnop'\n"
        "def broken():\n    local_value = 'do not show me'\n    raise ZeroDivisionError(f'with {secret}')\n"
        "tui.cli._root = broken\n"
        "tui.cli.main(['runs'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TUNERY_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    (crash,) = (tmp_path / "home" / "crashes").iterdir()
    assert str(crash) in done.stderr
    for text in (crash.read_text(), done.stderr):
        assert "hf_abcdefghijklmnop" not in text
        assert "do not show me" not in text
    assert "ZeroDivisionError" in crash.read_text()


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Authorization: Bearer abc.def", "abc.def"),
        ("https://anna:hunter2@example.org/x", "hunter2"),
        ("?token=s3cr3t&x=1", "s3cr3t"),
        (f"{Path.home()}/project", str(Path.home()) if len(str(Path.home())) > 1 else "no home"),
        ("key sk-0123456789abcdef", "sk-0123456789abcdef"),
    ],
)
def test_secrets_are_removed_from_crash_files(text: str, hidden: str) -> None:
    assert hidden not in redact(text)


@pytest.mark.parametrize("term", ["dumb", "xterm-256color"])
def test_without_a_terminal_the_app_prints_where_things_stand(tmp_path: Path, term: str) -> None:
    done = tunery(cwd=tmp_path, TERM=term)
    assert done.returncode == 0
    assert "0 runs" in done.stdout
    assert "tunery --help" in done.stderr


def test_doctor_reports_findings_and_fails_only_on_errors(tmp_path: Path) -> None:
    done = tunery("doctor", "--json", cwd=tmp_path)
    findings = {finding["code"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert {"python", "memory", "disk", "hardware", "workspace", "libraries-base", "jobs"} <= set(findings)
    errors = [finding for finding in findings.values() if finding["severity"] == "error"]
    assert done.returncode == (1 if errors else 0)
    assert all(finding["fix"] for finding in findings.values() if finding["severity"] in ("warning", "error"))


def test_doctor_names_a_workspace_that_cannot_be_written(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        locked = "/proc/nowhere"
    else:
        (tmp_path / "locked").mkdir(mode=0o500)
        locked = str(tmp_path / "locked" / "home")
    done = tunery("doctor", cwd=tmp_path, TUNERY_HOME=locked)
    assert done.returncode == 1
    assert "TUNERY_HOME" in done.stdout
