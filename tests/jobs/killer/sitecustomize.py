"""Loaded by every process of a kill test: counts the writes below the workspace, and dies at one of them.

Beside the workspace lie `writes`, which gets a line for each write, `kill-at` with the
line before which to die by SIGKILL, and `killed`, which says that it happened.
"""

import os
import re
import signal
import sys
from collections import Counter
from pathlib import Path

WRITES = {"open", "os.rename", "os.remove", "os.truncate", "shutil.rmtree", "sqlite3.connect"}
NOISE = re.compile(r"[0-9a-f]{64}|[0-9a-f]{16}|\d{8}-\d{4}-tiny-[0-9a-f]{3}|(?<=partial-)[0-9a-f]{8}")
ROLES = {"core.jobs.worker": "worker", "core.pipeline.child": "child"}


class Killer:
    def __init__(self, home: str, role: str) -> None:
        self.home = home
        self.role = role
        self.seen: Counter[str] = Counter()
        kill_at = Path(home).parent / "kill-at"
        self.kill_at = kill_at.read_text() if kill_at.exists() else None

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if event not in WRITES or not self.is_write(event, arguments):
            return
        path = NOISE.sub("#", os.fsdecode(arguments[0]).removeprefix(self.home))  # type: ignore[arg-type]
        self.seen[event + path] += 1
        label = f"{self.role}: {event} {path} ({self.seen[event + path]})"
        with open(Path(self.home).parent / "writes", "a") as handle:
            handle.write(label + "\n")
        if label == self.kill_at:
            os.rename(Path(self.home).parent / "kill-at", Path(self.home).parent / "killed")
            os.kill(os.getpid(), signal.SIGKILL)

    def is_write(self, event: str, arguments: tuple[object, ...]) -> bool:
        path = arguments[0]
        if not isinstance(path, str | Path) or not os.fsdecode(path).startswith(self.home):
            return False
        writes = event != "open" or int(arguments[2]) & (os.O_WRONLY | os.O_RDWR)  # type: ignore[call-overload]
        return bool(writes) and not os.fsdecode(path).endswith("/log.txt")


if home := os.environ.get("TUNERY_HOME"):
    words = sys.orig_argv
    role = next((role for module, role in ROLES.items() if module in words), Path(words[-1]).stem)
    sys.addaudithook(Killer(home, f"{role} {words[5]}" if role == "child" else role))
