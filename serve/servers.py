"""Servers that run by themselves: start one, see which are there, stop one.

Each has a folder `servers/<id>/` with `serve.json` (what it serves), `status.json`
(how it is) and its logs. Nothing here loads pydantic, a model or a web framework.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tunery.errors import BadInput, BrokenIntegrity, NotThere, TuneryError
from tunery.files import read_json, write_json_whole
from tunery.scope import scope_prefix

if TYPE_CHECKING:
    from serve.config import ServeSection

State = Literal["starting", "ready", "stopping", "stopped", "failed"]

STATUS_FILE = "status.json"
ORDER_FILE = "serve.json"
_LIVING = ("starting", "ready", "stopping")


@dataclass(frozen=True)
class ServerRecord:
    """What `status.json` says. `process_start` tells a process from a later one with the same pid.

    `url` is None until the server listens; `error` is a sentence where `state` is failed.
    """

    id: str
    name: str
    model: str
    url: str | None
    pid: int
    process_start: int
    state: State
    started: str
    error: str | None = None

    @property
    def alive(self) -> bool:
        return self.state in _LIVING


def list_servers(servers_root: Path) -> list[ServerRecord]:
    """All servers, the newest last. One whose process is gone without a word is `failed`."""
    records = [read_server(path.parent) for path in sorted(servers_root.glob(f"*/{STATUS_FILE}"))]
    return sorted(records, key=lambda record: record.started)


def read_server(folder: Path) -> ServerRecord:
    """One server's record, corrected where its process is gone."""
    try:
        record = ServerRecord(**read_json(folder / STATUS_FILE))
    except TypeError as error:
        raise BrokenIntegrity(
            f"{folder / STATUS_FILE} does not describe a server ({error}); remove it"
        ) from None
    if record.alive and process_start(record.pid) != record.process_start:
        return replace(record, state="failed", error="its process ended without a word; its logs may say why")
    return record


def find_server(servers_root: Path, ref: str | None) -> ServerRecord:
    """The server with this id, unique prefix of an id or model name; None is the newest that lives.

    Raises NotThere when nothing fits, BadInput when several do.
    """
    records = list_servers(servers_root)
    if ref is None:
        fitting = [record for record in records if record.alive][-1:]
    else:
        fitting = [record for record in records if record.id == ref]
        fitting = fitting or [record for record in records if record.id.startswith(ref)]
        fitting = fitting or [record for record in records if record.name == ref and record.alive]
    if not fitting:
        raise NotThere(
            f"there is no server {ref}; `tunery serve` starts one" if ref else "no server is running"
        )
    if len(fitting) > 1:
        raise BadInput(f"{ref} could be {', '.join(record.id for record in fitting)}; say which")
    return fitting[0]


def start_server(
    servers_root: Path, model_folder: Path, section: ServeSection, name: str, *, timeout: float = 660.0
) -> ServerRecord:
    """Start a server that outlives this process, and wait until it is ready.

    Raises what kept it from starting: BadInput (a port in use), BrokenIntegrity, or
    TuneryError; also when `timeout` seconds pass, after which it is stopped.
    """
    folder = servers_root / f"{_slug(name)}-{secrets.token_hex(3)}"
    folder.mkdir(parents=True)
    order = {
        "model_folder": str(model_folder.resolve()),
        "name": name,
        "section": section.model_dump(mode="json"),
    }
    write_json_whole(folder / ORDER_FILE, order)
    with (folder / "server.log").open("ab") as log:
        child = subprocess.Popen(
            [*scope_prefix(folder.name), sys.executable, "-P", "-m", "serve.server", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        code = child.poll()
        if code is not None:
            raise _why(folder, code)
        if (folder / STATUS_FILE).is_file() and (record := read_server(folder)).state == "ready":
            return record
        time.sleep(0.05)
    child.terminate()
    raise TuneryError(
        f"the server was not ready after {timeout:.0f} s and was stopped; see {folder / 'server.log'}"
    )


def stop_server(servers_root: Path, ref: str | None, *, patience: float = 40.0) -> ServerRecord:
    """Ask a server to finish what it answers and end; kill it after `patience` seconds."""
    record = find_server(servers_root, ref)
    folder = servers_root / record.id
    if not record.alive:
        return record
    _signal(record, signal.SIGTERM)
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and _runs(record):
        time.sleep(0.05)
    if _runs(record):
        _signal(record, signal.SIGKILL)
        while _runs(record):
            time.sleep(0.05)
    ended = read_server(folder)
    if ended.state != "stopped":
        ended = replace(ended, state="stopped", error="it did not end when asked and was killed")
        write_status(folder, ended)
    return ended


def forget_server(servers_root: Path, ref: str) -> None:
    """Remove the folder of a server that does not run any more."""
    record = find_server(servers_root, ref)
    if record.alive:
        raise BadInput(f"{record.id} is running; stop it first")
    shutil.rmtree(servers_root / record.id)


def new_record(folder: Path, name: str, model: Path) -> ServerRecord:
    """The record of this very process, just starting."""
    start = process_start(os.getpid())
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    return ServerRecord(folder.name, name, str(model), None, os.getpid(), start or 0, "starting", now)


def write_status(folder: Path, record: ServerRecord) -> None:
    write_json_whole(folder / STATUS_FILE, asdict(record))


def read_order(folder: Path) -> dict[str, Any]:
    """What the server in `folder` was told to serve: model_folder, name, section."""
    return dict(json.loads((folder / ORDER_FILE).read_text(encoding="utf-8")))


def process_start(pid: int) -> int | None:
    """When a process began, in clock ticks since boot; None when it is gone or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The command's name stands in brackets and may hold spaces and brackets itself.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def _runs(record: ServerRecord) -> bool:
    return process_start(record.pid) == record.process_start


def _signal(record: ServerRecord, number: signal.Signals) -> None:
    if _runs(record):
        with contextlib.suppress(ProcessLookupError):
            os.kill(record.pid, number)


def _why(folder: Path, code: int) -> TuneryError:
    error = read_server(folder).error if (folder / STATUS_FILE).is_file() else None
    message = error or f"the server ended with code {code} before it was ready; see {folder / 'server.log'}"
    kinds: dict[int, type[TuneryError]] = {
        BadInput.exit_code: BadInput,
        BrokenIntegrity.exit_code: BrokenIntegrity,
    }
    return kinds.get(code, TuneryError)(message)


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "model"
