"""The worker's hold on `status.json`: every change, and a heartbeat in between."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Self

from core.jobs.status import HEARTBEAT_SECONDS, Status, save_state, write_status
from core.workspace.home import Workspace
from tunery.errors import TuneryError


class Heart:
    """Writes one run's status from a thread of its own, so that the worker may be busy hashing.

    Use as a context; the caller holds the run's lock for as long.
    """

    def __init__(self, workspace: Workspace, folder: Path, status: Status) -> None:
        self.workspace = workspace
        self.folder = folder
        self._status = status
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heart", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def status(self) -> Status:
        return self._status

    def change(self, change: Callable[[Status], Status]) -> None:
        """Write what `change` makes of the status; the index hears of a new state."""
        with self._lock:
            before, after = self._status, replace(change(self._status), heartbeat=time.time())
            if after.state == before.state:
                write_status(self.folder, after)
            else:
                self._save(after)
            self._status = after

    def _save(self, status: Status) -> None:
        try:
            save_state(self.workspace, self.folder, status)
        except TuneryError as error:
            # The folder is the truth and is written; the index takes it in at the next look.
            print(f"the index was not told that the run is {status.state}: {error}", file=sys.stderr)  # noqa: T201

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT_SECONDS):
            try:
                self.change(lambda status: status)
            except OSError as error:
                # A full disk must not end the run: the step that writes will say so.
                print(f"no heartbeat: {error}", file=sys.stderr)  # noqa: T201
