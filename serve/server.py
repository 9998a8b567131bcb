"""The server process: opens a model folder, starts its engine, answers over HTTP until told to stop.

`run_server` is for a terminal that waits; `python -P -m serve.server SERVERS/ID` is the
detached form that `serve.servers.start_server` uses.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn

from serve.answer import Answerer
from serve.api.app import create_app
from serve.config import ServeSection
from serve.engines.blocking import make_engine
from serve.line import Line
from serve.model_folder import open_model
from serve.servers import ServerRecord, new_record, read_order, write_status
from tunery.errors import BadInput, TuneryError

DRAIN_SECONDS = 30

_log = logging.getLogger(__name__)


def run_server(
    model_folder: Path,
    section: ServeSection,
    state_dir: Path | None,
    name: str,
    *,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve the model in `model_folder` as `name` until SIGTERM or Ctrl-C, then drain and return.

    `state_dir` is a folder `servers/<id>/` that gets `status.json`, or None; `on_ready`
    is called with the URL. Ctrl-C raises KeyboardInterrupt after the drain. Raises
    BadInput when the port is in use, BrokenIntegrity when the model's files are not
    what was exported, EngineDown when the engine does not start.
    """
    status = _Status(state_dir, name, model_folder)
    try:
        with listen(section.host, section.port) as listener, _log_folder(state_dir) as logs:
            asyncio.run(_serve(model_folder, section, name, listener, logs / "engine.log", status, on_ready))
    except TuneryError as error:
        status.set(state="failed", error=str(error))
        raise
    except KeyboardInterrupt:
        status.set(state="stopped")
        raise
    except BaseException as error:
        status.set(state="failed", error=f"{type(error).__name__}: {error}")
        raise
    status.set(state="stopped")


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises BadInput when that cannot be."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=512)
    except socket.gaierror as error:
        raise BadInput(f"there is no address {host!r} ({error.strerror}); set serve.host") from None
    except PermissionError:
        raise BadInput(f"port {port} is for administrators; set serve.port to 1024 or more") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise BadInput(
                f"port {port} is in use; set serve.port to another one, or to 0 for any free one"
            ) from None
        reason = os.strerror(error.errno or 0)
        raise BadInput(
            f"cannot listen on {host}, port {port}: {reason}; set serve.host and serve.port"
        ) from None


@contextmanager
def _log_folder(state_dir: Path | None) -> Iterator[Path]:
    if state_dir is not None:
        yield state_dir
        return
    with tempfile.TemporaryDirectory(prefix="tunery-log-") as temporary:
        yield Path(temporary)


async def _serve(
    model_folder: Path,
    section: ServeSection,
    name: str,
    listener: socket.socket,
    log: Path,
    status: _Status,
    on_ready: Callable[[str], None] | None,
) -> None:
    told_to_stop = threading.Event()
    # uvicorn takes the signal while it runs and raises it again once it has drained: no failure.
    signal.signal(signal.SIGTERM, lambda *_: told_to_stop.set())
    model = open_model(model_folder)
    engine = make_engine(
        model, log=log, threads=section.threads, slots=section.slots, context_length=section.context_length
    )
    line = Line(section.slots, section.max_queue)
    server = _Server(
        create_app(Answerer(model, engine, line=line, max_tokens=section.max_tokens), name), status
    )
    if told_to_stop.is_set():
        return
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    starting = asyncio.create_task(engine.start())
    try:
        await asyncio.wait({serving, starting}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            url = url_of(listener)
            status.set(state="ready", url=url)
            _log.info("%s answers at %s", name, url)
            if on_ready is not None:
                on_ready(url)
        await serving
    finally:
        server.should_exit = True
        starting.cancel()
        await asyncio.gather(starting, serving, return_exceptions=True)
        await engine.close()


def url_of(listener: socket.socket) -> str:
    """The address a client on this machine uses, such as http://127.0.0.1:8080/v1."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (read, not bound)
    return f"http://[{host}]:{port}/v1" if ":" in host else f"http://{host}:{port}/v1"


class _Server(uvicorn.Server):
    def __init__(self, app: Any, status: _Status) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=DRAIN_SECONDS,
                server_header=False,
            )
        )
        self._status = status

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._status.set(state="stopping")
        await super().shutdown(sockets)


class _Status:
    """Keeps `status.json` true; does nothing for a server without a folder."""

    def __init__(self, folder: Path | None, name: str, model: Path) -> None:
        self._folder = folder
        self._record: ServerRecord | None = None if folder is None else new_record(folder, name, model)
        self.set()

    def set(self, **changes: Any) -> None:
        if self._folder is not None and self._record is not None:
            self._record = replace(self._record, **changes)
            write_status(self._folder, self._record)


def main(arguments: list[str]) -> int:
    """The detached form; returns the exit code of the error, 0 after SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for every request to the engine
    folder = Path(arguments[0])
    order = read_order(folder)
    try:
        section = ServeSection.model_validate(order["section"])
        run_server(Path(order["model_folder"]), section, folder, order["name"])
    except TuneryError as error:
        _log.error("%s", error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
