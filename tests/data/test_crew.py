"""A crew gives every result back in order, and leaves nobody behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.data.crew import Crew
from tunery.errors import DataError, TuneryError


def doubler(factor):
    def double(number):
        if isinstance(number, int) and number < 0:
            raise DataError(f"{number} is negative")
        time.sleep(0.02 if number == 3 else 0)
        return number * factor

    return double


def teller(_):
    return lambda _: os.getpid()


def breaker(_):
    return lambda _: os.kill(os.getpid(), signal.SIGKILL)


def unmakeable(_):
    raise DataError("the model is not there")


@pytest.mark.parametrize("size", [0, 1, 3])
def test_results_come_in_the_order_of_the_tasks(size):
    with Crew(doubler, 2, size) as crew:
        assert list(crew.map(range(40))) == [2 * number for number in range(40)]
        assert list(crew.map([5])) == [10]


def test_a_crew_reads_only_a_few_tasks_ahead():
    taken = []

    def tasks():
        for number in range(1, 100):
            taken.append(number)
            yield number

    with Crew(doubler, 2, 2) as crew:
        results = crew.map(tasks())
        next(results)
        assert len(taken) <= 6


@pytest.mark.parametrize("size", [0, 2])
def test_what_a_task_raises_is_raised_to_the_caller(size):
    with Crew(doubler, 2, size) as crew, pytest.raises(DataError, match="-1 is negative"):
        list(crew.map([1, 2, -1, 3]))


def test_what_cannot_begin_says_why():
    with Crew(unmakeable, None, 2) as crew, pytest.raises(DataError, match="the model is not there"):
        list(crew.map([1, 2, 3]))


def test_a_process_that_the_system_ended_is_told_in_one_sentence():
    with Crew(breaker, None, 2) as crew, pytest.raises(TuneryError, match=r"exit code -9.*want of memory"):
        list(crew.map([1, 2, 3]))


def test_tasks_and_results_larger_than_a_pipe_holds_go_through():
    with Crew(doubler, 2, 2) as crew:
        texts = ["x" * 1_000_000 + str(number) for number in range(12)]
        assert list(crew.map(texts)) == [text * 2 for text in texts]


def test_a_crew_that_cannot_begin_says_why_even_when_the_tasks_are_large():
    tasks = ["x" * 1_000_000] * 6
    with Crew(unmakeable, None, 2) as crew, pytest.raises(DataError, match="the model is not there"):
        list(crew.map(tasks))


def test_nothing_of_the_current_folder_is_imported(tmp_path, monkeypatch):
    (tmp_path / "socket.py").write_text("raise SystemExit('imported from the current folder')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    with Crew(doubler, 2, 2) as crew:
        assert list(crew.map([1, 2, 3])) == [2, 4, 6]


def test_the_processes_are_gone_after_the_block():
    with Crew(teller, None, 2) as crew:
        pids = set(crew.map(range(4)))
    assert len(pids) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


OWNER = """
import sys, time
from tests_crew_table import teller
from core.data.crew import Crew
if __name__ == "__main__":
    with Crew(teller, None, 2) as crew:
        print(*set(crew.map(range(4))), flush=True)
        time.sleep(60)
"""


def test_a_killed_owner_takes_its_crew_along(tmp_path):
    (tmp_path / "tests_crew_table.py").write_text(
        "import os\ndef teller(_):\n    return lambda _: os.getpid()\n"
    )
    (tmp_path / "owner.py").write_text(OWNER)
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{root}"}
    owner = subprocess.Popen(
        [sys.executable, str(tmp_path / "owner.py")], env=environment, stdout=subprocess.PIPE, text=True
    )
    pids = [int(pid) for pid in owner.stdout.readline().split()]
    assert len(pids) == 2
    owner.kill()
    owner.wait()
    deadline = time.monotonic() + 30
    while any(_runs(pid) for pid in pids):
        assert time.monotonic() < deadline, "a process of the crew was left behind"
        time.sleep(0.05)


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
