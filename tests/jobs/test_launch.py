"""How a worker is started where logind ends a user's processes, and beside a server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.workspace.home import Workspace
from serve.servers import new_record, write_status
from tunery import scope


@pytest.fixture
def in_a_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A login session whose logind kills at logout, with the two programs that say so and help."""
    (tmp_path / "systemd").mkdir()
    (tmp_path / "systemd" / "private").touch()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    cgroup = "0::/user.slice/user-1000.slice/session-3.scope\n"
    monkeypatch.setattr(scope, "_read", lambda path: cgroup)
    for name in ("systemd-run", "busctl"):
        (tmp_path / name).write_text("#!/bin/sh\necho b true\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


def test_a_worker_gets_a_scope_of_its_own_where_logind_would_kill_it(in_a_session: Path) -> None:
    prefix = scope.scope_prefix("20261122-0312-tiny-a3f")
    assert prefix[:3] == ["systemd-run", "--user", "--scope"]
    assert prefix[-1] == "--"


def test_no_scope_where_logind_lets_processes_live(in_a_session: Path) -> None:
    (in_a_session / "busctl").write_text("#!/bin/sh\necho b false\n")
    assert scope.scope_prefix("x") == []


def test_no_scope_outside_a_session_or_without_systemd(
    in_a_session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (in_a_session / "systemd" / "private").unlink()
    assert scope.scope_prefix("x") == []
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert scope.scope_prefix("x") == []


def test_a_worker_started_through_a_scope_does_its_run(
    bench: Any, in_a_session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What `systemd-run --scope` does to a command, without a user manager: replace itself by it.
    wrapper = '#!/bin/sh\nwhile [ "$1" != "--" ]; do shift; done; shift\nexec "$@"\n'
    (in_a_session / "systemd-run").write_text(wrapper)
    assert bench.run(until="prepare").state == "done"


def test_training_gives_way_to_a_server_that_answers(bench: Any, workspace: Workspace) -> None:
    server = workspace.servers / "tiny-1"
    server.mkdir(parents=True)
    write_status(server, new_record(server, "tiny", Path("model")))
    record = bench.submit_held(1)
    child = bench.child_of(record)
    bench.wait_until(lambda: os.getpriority(os.PRIO_PROCESS, child) == 19)
    bench.let_go()
    assert bench.finish(record).state == "done"


def test_training_alone_keeps_its_priority(bench: Any) -> None:
    record = bench.submit_held(1)
    assert os.getpriority(os.PRIO_PROCESS, bench.child_of(record)) == os.getpriority(os.PRIO_PROCESS, 0)
    bench.let_go()
    assert bench.finish(record).state == "done"


def test_a_worker_that_cannot_be_started_is_told_in_one_sentence(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tunery.errors import TuneryError

    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(TuneryError, match="could not be started"):
        bench.submit()
    monkeypatch.undo()


def test_a_worker_alone_in_a_strange_folder_says_what_is_wrong(tmp_path: Path) -> None:
    words = [sys.executable, "-P", "-m", "core.jobs.worker", str(tmp_path)]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "this is not a run; remove the folder" in ended.stderr
    assert "Traceback" not in ended.stderr
