"""Real jobs with tiny steps, watched and steered from real terminals; viewers come and go."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TABLES = ROOT / "tests" / "jobs" / "tables"
STEPS_OF_TRAINING = 12
HELD_AT = 4
PATIENCE = 90.0


@dataclass
class Project:
    """A folder with a recipe whose steps take milliseconds; training waits at step 4 for `let_go`."""

    folder: Path
    env: dict[str, str]

    def start(self, *arguments: str, **changes: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tui.cli", *arguments],
            cwd=self.folder,
            env={**self.env, **changes},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def tunery(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **changes)
        out, err = process.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def let_go(self) -> None:
        (self.folder / "gate").touch()

    def until_held(self) -> None:
        wait_until(lambda: self.steps_seen() == list(range(1, HELD_AT + 1)))

    def assert_untouched(self) -> None:
        """The run is still at work, and once it is let go it does every step that is left, once."""
        assert self.runs()[0]["state"] == "running"
        self.until_held()
        self.let_go()
        assert self.tunery("attach").returncode == 0
        assert self.steps_seen() == list(range(1, STEPS_OF_TRAINING + 1))

    def runs(self) -> list[dict[str, Any]]:
        return json.loads(self.tunery("runs", "--json").stdout)

    def steps_seen(self) -> list[int]:
        """The positions of training in the newest run's events."""
        files = sorted((self.folder / "home" / "runs").glob("*/events.jsonl"))
        lines = [json.loads(line) for line in files[-1].read_text().splitlines()] if files else []
        return [line["at"] for line in lines if line["kind"] == "metric"]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    folder = tmp_path / "project"
    (folder / "base").mkdir(parents=True)
    (folder / "base" / "model.json").write_text(json.dumps({"name": "base", "files": {"w": "1"}}))
    (folder / "rows.jsonl").write_text("one\ntwo\nthree\n")
    (folder / "recipe.yaml").write_text(
        "name: tiny\nmodel: {base: base}\ndata: {sources: [{path: rows.jsonl}]}\nexport: [{quant: f16}]\n"
    )
    env = {
        **{key: value for key, value in os.environ.items() if not key.startswith("TINY_")},
        "PYTHONPATH": f"{ROOT}:{TABLES}",
        "TUNERY_HOME": str(folder / "home"),
        "TUNERY_STEP_TABLE": "tiny_table:TABLE",
        "TINY_HOLD": f"{HELD_AT}:{folder / 'gate'}",
        "TERM": "xterm-256color",
    }
    project = Project(folder, env)
    yield project
    for run in project.runs():
        if run["state"] in ("queued", "starting", "running", "stopping"):
            project.tunery("stop", run["id"], "--wait")


def wait_until(true: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (value := true()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)
    return value


def test_run_as_json_streams_events_and_ends_with_the_run(project: Project) -> None:
    project.let_go()
    done = project.tunery("run", ".", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert lines[-2]["kind"] == "done"
    assert (lines[-1]["state"], lines[-1]["name"], lines[-1]["exit_code"]) == ("done", "tiny", 0)
    assert {"id", "step", "progress", "started", "ended", "error"} <= set(lines[-1])
    assert [line["at"] for line in lines if line.get("kind") == "metric"] == list(range(1, 13))
    logged = project.tunery("logs", "--json").stdout.splitlines()
    assert [json.loads(line) for line in logged] == lines


def test_without_a_terminal_the_talk_is_plain_lines_and_stdout_is_the_result(project: Project) -> None:
    project.let_go()
    done = project.tunery("run", "recipe.yaml")
    run = project.runs()[0]
    assert done.stdout == f"{run['id']} done\n"
    assert "train[0]: started" in done.stderr
    assert "\x1b" not in done.stderr + done.stdout


def test_detach_prints_the_id_and_the_job_goes_on_by_itself(project: Project) -> None:
    started = project.tunery("run", ".", "--detach")
    assert started.returncode == 0
    run_id = started.stdout.strip()
    assert f"tunery attach {run_id}" in started.stderr
    project.let_go()
    watched = project.tunery("attach", run_id[:-1])
    assert (watched.returncode, watched.stdout) == (0, f"{run_id} done\n")


@pytest.mark.parametrize(("how", "code"), [("bad-input", 2), ("mistake", 1)])
def test_a_run_that_fails_gives_its_code_and_its_sentence(project: Project, how: str, code: int) -> None:
    done = project.tunery("run", ".", TINY_TRAIN=how)
    assert done.returncode == code
    assert "tunery resume" in done.stderr
    assert "Traceback" not in done.stderr
    assert project.runs()[0]["state"] == "failed"


def test_until_ends_after_that_step(project: Project) -> None:
    project.let_go()
    done = project.tunery("run", ".", "--until", "train[0]")
    assert done.returncode == 0
    assert [step["step"] for step in project.runs()[0]["steps"]] == ["prepare", "train[0]"]


def test_a_stopped_run_is_resumed_where_it_was(project: Project) -> None:
    run_id = project.tunery("run", ".", "--detach").stdout.strip()
    project.until_held()
    stopped = project.tunery("stop", run_id, "--wait", "--json")
    assert json.loads(stopped.stdout)["state"] == "stopped"
    assert project.tunery("checkpoint", run_id).returncode == 2
    project.let_go()
    resumed = project.tunery("resume", run_id)
    assert (resumed.returncode, resumed.stdout) == (0, f"{run_id} done\n")
    assert sorted(set(project.steps_seen())) == list(range(1, STEPS_OF_TRAINING + 1))


def test_ctrl_c_leaves_the_job_running_and_says_so(project: Project) -> None:
    viewer = project.start("run", ".")
    project.until_held()
    viewer.send_signal(signal.SIGINT)
    _, said = viewer.communicate(timeout=PATIENCE)
    assert viewer.returncode == 130
    assert "tunery attach" in said and "tunery stop" in said
    project.assert_untouched()


def test_a_viewer_killed_with_9_changes_nothing_for_the_job(project: Project) -> None:
    project.tunery("run", ".", "--detach")
    viewer = project.start("attach")
    project.until_held()
    viewer.kill()
    viewer.communicate()
    project.assert_untouched()


def open_app(project: Project) -> tuple[int, int]:
    """The app in a pty of its own: its pid, and our side of the pty."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(project.folder)
        os.execvpe(sys.executable, [sys.executable, "-m", "tui.cli"], project.env)  # noqa: S606
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    return pid, terminal


def drawn_within(terminal: int, seconds: float) -> bytes:
    drawn, deadline = b"", time.monotonic() + seconds
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            drawn += os.read(terminal, 65536)
    return drawn


def test_an_app_with_nothing_new_to_show_writes_nothing(project: Project) -> None:
    project.let_go()
    project.tunery("run", ".")
    pid, terminal = open_app(project)
    try:
        for key, shown in ((b"", b"is ready"), (b"o", b"Numbers")):
            os.write(terminal, key)
            drawn = b""
            while shown not in drawn:
                drawn += os.read(terminal, 65536)
            wait_until(lambda: not drawn_within(terminal, 1.0))
            assert drawn_within(terminal, 3.0) == b""
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


@pytest.mark.parametrize("hang_up", [signal.SIG_DFL, signal.SIG_IGN], ids=["heard", "ignored"])
def test_a_dropped_terminal_ends_the_app_and_not_the_job(
    project: Project, request: pytest.FixtureRequest, hang_up: signal.Handlers
) -> None:
    before = signal.signal(signal.SIGHUP, hang_up)
    request.addfinalizer(lambda: signal.signal(signal.SIGHUP, before))
    project.tunery("run", ".", "--detach")
    pid, terminal = open_app(project)
    drawn = b""
    while b"Watch it" not in drawn:
        drawn += os.read(terminal, 65536)
    os.close(terminal)
    os.waitpid(pid, 0)
    project.assert_untouched()


class Tmux:
    """The app in a real terminal of 80 by 24."""

    def __init__(self, project: Project) -> None:
        self._socket = f"tunery-{uuid.uuid4().hex[:8]}"
        env = [
            f"{key}={project.env[key]}" for key in project.env if key.startswith(("TUN", "TINY", "PYTHON"))
        ]
        self("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "-c", str(project.folder), "sh")
        self.type(f"export {' '.join(env)}; clear", "Enter")

    def __call__(self, *arguments: str) -> str:
        command = ["tmux", "-L", self._socket, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout

    def type(self, *keys: str) -> None:
        self("send-keys", *keys)

    def screen(self) -> str:
        return self("capture-pane", "-p")

    def shows(self, *texts: str) -> str:
        return wait_until(lambda: (seen := self.screen()) and all(text in seen for text in texts) and seen)


@pytest.fixture
def tmux(project: Project) -> Iterator[Tmux]:
    if not shutil.which("tmux"):
        pytest.skip("tmux is not installed")
    terminal = Tmux(project)
    yield terminal
    terminal("kill-server")


def test_from_a_recipe_to_a_done_run_in_a_real_terminal(project: Project, tmux: Tmux) -> None:
    tmux.type(f"{sys.executable} -m tui.cli", "Enter")
    seen = tmux.shows("Run recipe.yaml", "Run it", "No runs yet", "q Quit")
    assert max(len(line) for line in seen.splitlines()) <= 80

    tmux.type("Enter")
    tmux.shows("● running", "train[0]", "Loss", "Numbers", "Log", "s Stop")
    tmux.type("q")
    tmux.shows("goes on (", "tunery attach")

    tmux.type(f"clear; {sys.executable} -m tui.cli", "Enter")
    tmux.shows("tiny is running", "Watch it")
    tmux.type("Enter")
    tmux.shows("4 of 12 steps")
    project.let_go()
    tmux.shows("✓ done", "e Report")
    tmux.type("Escape")
    tmux.shows("tiny is ready", "✓ done")
    tmux.type("q")
    assert project.steps_seen() == list(range(1, STEPS_OF_TRAINING + 1))


def test_a_crash_of_the_app_prints_one_sentence_and_no_values(project: Project) -> None:
    script = project.folder / "broken.py"
    script.write_text(
        "import tui.facade\n"
        "def broken(self):\n    secret_value = 'do not show me'\n    raise ZeroDivisionError('a mistake')\n"
        "tui.facade.CoreFacade.home = broken\n"
        "from tui.cli import main\nmain([])\n"
    )
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(project.folder)
        os.execvpe(sys.executable, [sys.executable, str(script)], project.env)  # noqa: S606
    shown = b""
    with suppress(OSError):  # a pty whose other side has gone reads as an error
        while piece := os.read(terminal, 65536):
            shown += piece
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 1
    after = shown.rpartition(b"\x1b[?1049l")[2]
    assert b"something is wrong inside Tunery (ZeroDivisionError: a mistake)" in after
    assert b"do not show me" not in shown
    assert b"Traceback" not in shown
    (crash,) = (project.folder / "home" / "crashes").iterdir()
    assert "do not show me" not in crash.read_text()
