"""A few processes that do one thing to many batches, with results in the order of the batches.

Each has a pipe of its own to this process and ends when the other end is gone, however
that happened, so nothing is left behind by a kill.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Generic, TypeVar

from tunery.errors import TuneryError

Setup = TypeVar("Setup")
Task = TypeVar("Task")
Result = TypeVar("Result")

# Batches that wait at each process, so that it never idles while this one writes.
_AHEAD = 2
END_SECONDS = 5.0


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


class Crew(Generic[Setup, Task, Result]):
    """Use it in a `with` block. With `size` 0 the work is done in this process.

    `make` is a function at the top of a module; it is called once in each process, with
    `setup`, and returns what is then called with every task.
    """

    def __init__(self, make: Callable[[Setup], Callable[[Task], Result]], setup: Setup, size: int) -> None:
        # What a child imports first must never come from the current folder.
        os.environ["PYTHONSAFEPATH"] = "1"
        self._alone = make(setup) if size == 0 else None
        self._members = [_Member(make, setup) for _ in range(size)]

    def __enter__(self) -> Crew[Setup, Task, Result]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for member in self._members:
            member.end()

    def map(self, tasks: Iterable[Task]) -> Iterator[Result]:
        """The result of each task, in order. What a task raises is raised here.

        Raises TuneryError when the system ended one of the processes.
        """
        if self._alone is not None:
            yield from map(self._alone, tasks)
            return
        sent: deque[_Member] = deque()
        for number, task in enumerate(tasks):
            if len(sent) == _AHEAD * len(self._members):
                yield sent.popleft().receive()
            member = self._members[number % len(self._members)]
            member.send(task)
            sent.append(member)
        while sent:
            yield sent.popleft().receive()


class _Member:
    """One process and this end of its pipe. A thread takes what it sends, so no end waits for the other."""

    def __init__(self, make: Callable[[Any], Callable[[Any], Any]], setup: Any) -> None:
        context = get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_work, args=(other, make, setup), daemon=True)
        self._process.start()
        other.close()
        self._answers: SimpleQueue[tuple[bool, Any] | None] = SimpleQueue()
        self._taker = threading.Thread(target=self._take, daemon=True)
        self._taker.start()

    def send(self, task: Any) -> None:
        try:
            self._pipe.send(task)
        except OSError:
            raise self._gone() from None

    def receive(self) -> Any:
        answer = self._answers.get()
        if answer is None:
            self._answers.put(None)
            raise self._gone()
        done, value = answer
        if not done:
            raise value
        return value

    def end(self) -> None:
        # It keeps nothing that could be lost.
        self._process.kill()
        self._process.join()
        self._taker.join()
        self._pipe.close()

    def _take(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                self._answers.put(self._pipe.recv())
        self._answers.put(None)

    def _gone(self) -> Exception:
        """Why the process is no longer there: what it said last, or what the system did to it."""
        self._process.join(END_SECONDS)
        while (answer := self._answers.get()) is not None:
            if not answer[0]:
                said: Exception = answer[1]
                return said
        code = self._process.exitcode
        why = ", most likely for want of memory; close other programs" if code == -9 else "; read the log"
        return TuneryError(f"a process that prepares rows was ended (exit code {code}){why} and run it again")


def _work(pipe: Connection, make: Callable[[Any], Callable[[Any], Any]], setup: Any) -> None:
    # The process that owns the pipe decides when this one ends.
    for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signal_number, signal.SIG_IGN)
    # Each member is one core's worth of work: libraries must not start threads of their own beside it.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["RAYON_NUM_THREADS"] = "1"
    with suppress(EOFError, OSError):
        try:
            do = make(setup)
        except Exception as error:  # goes to the one that sends the first task
            pipe.recv()
            pipe.send((False, error))
            return
        while True:
            task = pipe.recv()
            try:
                answer = (True, do(task))
            except Exception as error:  # goes to the one that asked
                answer = (False, error)
            pipe.send(answer)
