"""Do the steps of a run: skip what is done already, give each other step a child, watch it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from core.jobs.heart import Heart
from core.pipeline.child import BASE, WORK, base_file, read_base
from core.pipeline.keep import clear_partials, look_over
from core.pipeline.plan import Stage, read_plan
from core.pipeline.steps import StepKind, load, load_table
from core.pipeline.task import Task, all_tasks, read_task, write_task
from core.pipeline.trouble import OUT_OF_MEMORY, Trouble, take_trouble
from core.workspace.events import ArtifactMade, EventLog, Log, StepFinished, StepSkipped, StepStarted, Warned
from core.workspace.trash import to_trash
from serve.servers import list_servers
from tunery.errors import Stopped, TuneryError
from tunery.files import need_room

FIRST_LOOK_SECONDS = 0.02
LOOK_SECONDS = 0.2
NICE_SECONDS = 5.0
NICEST = 19
BASE_GRACE = 10.0


class StepFailed(Exception):
    """A step ended without its artifact; carries what there is to say."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.error)
        self.trouble = trouble


class Supervisor:
    """Does one run's steps. `locks` are the descriptors that every child holds too."""

    def __init__(
        self, heart: Heart, log: EventLog, stop_wanted: Callable[[], bool], locks: tuple[int, ...]
    ) -> None:
        self.heart = heart
        self.log = log
        self.stop_wanted = stop_wanted
        self.locks = locks
        self.folder = heart.folder
        self.workspace = heart.workspace

    def run(self) -> None:
        """All steps. Raises Stopped, StepFailed, or TuneryError for what is wrong before a step."""
        plan = read_plan(self.folder)
        table = load_table(plan.table)
        self._begin(plan.stages[0].step)
        self._find_base(plan.base, plan.stages[0].step)
        for stage, task in all_tasks(plan, table.kinds, read_base(self.folder), self.workspace):
            self._stop_here_if_asked(stage.step)
            self._begin(stage.step)
            if self._is_there(task):
                continue
            self._do(stage, table.kinds[stage.kind], task, Path(plan.recipe_folder))

    def _begin(self, step: str) -> None:
        self.heart.change(lambda status: status.into("running", step=step).with_step(step, state="running"))

    def _find_base(self, base: str, first: str) -> None:
        self.log.append(Log(step=first, text=f"finding the base model {base}"))
        base_file(self.folder).unlink(missing_ok=True)
        code, asked = self._watch_child(BASE, BASE_GRACE, yielding=False)
        if not base_file(self.folder).is_file():
            self._explain(BASE, "finding the base model", code, asked)

    def _is_there(self, task: Task) -> bool:
        """Whether an equal artifact exists already; a damaged one goes to the trash."""
        artifact = Path(task.artifact)
        if not artifact.exists():
            return False
        problem = look_over(artifact, task.fingerprint)
        if problem is not None:
            self.log.append(Warned(step=task.step, text=f"{problem}; the artifact is made again"))
            to_trash(self.workspace, artifact)
            return False
        name = _name(artifact)
        self.log.append(StepSkipped(step=task.step, fingerprint=task.fingerprint, artifact=name))
        self.heart.change(lambda status: status.with_step(task.step, state="skipped", artifact=name))
        return True

    def _do(self, stage: Stage, kind: StepKind, task: Task, recipe_folder: Path) -> None:
        artifact, began = Path(task.artifact), time.monotonic()
        inputs = {role: Path(folder) for role, folder in task.inputs.items()}
        if kind.room:
            need_room(
                self.workspace.artifacts, load(kind.room)(stage.section, inputs, recipe_folder), stage.step
            )
        before = read_task(self.folder, stage.step)
        if before is not None and before.fingerprint != task.fingerprint:
            # Checkpoints of other data or settings: nothing may go on from them.
            shutil.rmtree(self.folder / WORK / stage.step, ignore_errors=True)
        write_task(self.folder, task)
        self.log.append(StepStarted(step=stage.step, fingerprint=task.fingerprint))
        code, asked = self._watch_child(stage.step, kind.grace, kind.yielding)
        clear_partials(self.workspace, self.folder.name)
        if not artifact.is_dir():
            self._explain(stage.step, stage.step, code, asked)
        seconds = round(time.monotonic() - began, 3)
        name = _name(artifact)
        self.log.append(ArtifactMade(step=stage.step, artifact=name, path=f"artifacts/{name}"))
        self.log.append(StepFinished(step=stage.step, seconds=seconds))
        self.heart.change(
            lambda status: status.with_step(stage.step, state="done", artifact=name, seconds=seconds)
        )

    def _stop_here_if_asked(self, step: str) -> None:
        if self.stop_wanted():
            self._stopping()
            raise Stopped(f"stopped before {step}")

    def _stopping(self) -> None:
        self.heart.change(lambda status: status.into("stopping"))

    def _watch_child(self, step: str, grace: float, yielding: bool) -> tuple[int, bool]:
        """Run the child of `step` to its end: its return code, and whether it was asked to stop."""
        take_trouble(self.folder, step)
        # Signals go by `os.kill`: Popen's own methods would reap the child first.
        child = self._start(step)
        asked_at: float | None = None
        nice_at, pause = 0.0, FIRST_LOOK_SECONDS
        try:
            while not _has_ended(child.pid):
                time.sleep(pause)
                pause = min(2 * pause, LOOK_SECONDS)
                now = time.monotonic()
                if asked_at is None and self.stop_wanted():
                    asked_at = now
                    self._stopping()
                    os.kill(child.pid, signal.SIGTERM)
                elif asked_at is not None and now > asked_at + grace:
                    self.log.append(
                        Warned(step=step, text=f"did not stop within {grace:.0f} s and was killed")
                    )
                    os.kill(child.pid, signal.SIGKILL)
                    asked_at = float("inf")
                if yielding and now > nice_at:
                    nice_at = now + NICE_SECONDS
                    self._give_way(child.pid)
        finally:
            # Whatever the step had started and left behind ends with it. Only then is the
            # child reaped, so that its number cannot be another group's by now.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            code = child.wait()
        return code, asked_at is not None

    def _start(self, step: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", "core.pipeline.child", str(self.folder), step]
        hold = [str(descriptor) for descriptor in self.locks]
        return subprocess.Popen(
            [*command, "--parent", str(os.getpid()), "--hold", *hold],
            stdin=subprocess.DEVNULL,
            cwd=self.folder,
            pass_fds=self.locks,
            process_group=0,
        )

    def _give_way(self, pid: int) -> None:
        """Lowest priority for every thread of the step while a server answers questions."""
        try:
            if not any(server.alive for server in list_servers(self.workspace.servers)):
                return
            for thread in Path(f"/proc/{pid}/task").iterdir():
                os.setpriority(os.PRIO_PROCESS, int(thread.name), NICEST)
        except (OSError, TuneryError):
            return  # A thread that just ended, or a server's folder that is half removed.

    def _explain(self, step: str, words: str, code: int, asked: bool) -> None:
        """Raise what a child's end without a result means."""
        trouble = take_trouble(self.folder, step)
        if trouble is None and asked:
            raise Stopped(f"stopped in {words}")
        # The step reads the stop file itself and may have heard before this process did.
        if trouble is not None and trouble.error_class == Stopped.__name__:
            raise Stopped(trouble.error)
        raise StepFailed(trouble or _sudden_end(words, code))


def _sudden_end(words: str, code: int) -> Trouble:
    """A child that left no word: killed, crashed, or ended by something in it."""
    if code == -signal.SIGKILL:
        sentence = (
            f"{words} was killed by the system, most likely because memory ran out; lower train.batch_size "
            "or train.max_length, or close other programs, then resume the run"
        )
        return Trouble(OUT_OF_MEMORY, sentence, 1)
    if code < 0:
        name = signal.Signals(-code).name
        return Trouble("Crashed", f"{words} crashed ({name}); log.txt of the run has the details", 1)
    sentence = f"{words} ended with code {code} and left nothing; log.txt of the run has the details"
    return Trouble("Crashed", sentence, 1)


def _has_ended(pid: int) -> bool:
    """Whether a child has ended; it stays a zombie until somebody waits for it."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _name(artifact: Path) -> str:
    """ "kind/fingerprint"."""
    return f"{artifact.parent.name}/{artifact.name}"
