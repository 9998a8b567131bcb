"""One child process of llama.cpp: spawned, spoken to, and ended for certain."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import httpx

from serve.engines.protocol import EngineDown

LOAD_SECONDS = 600.0
TERMINATE_SECONDS = 5.0
# Between two pieces of an answer; a long prompt is read within this on a slow machine.
SILENCE_SECONDS = 600.0
_SOCKET_PATH_LIMIT = 100


@dataclass(frozen=True)
class LlamaSettings:
    """How the child runs.

    `context_length` is tokens per conversation, of which `slots` run side by side.
    `stop_ids` are the tokens with which the model ends an answer.
    """

    weights: Path
    stop_ids: tuple[int, ...]
    context_length: int
    slots: int
    threads: int


class LlamaProcess:
    """A running child. `client` speaks HTTP with it; `process` is the asyncio process."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path, client: httpx.AsyncClient) -> None:
        self.process = process
        self.client = client
        self._folder = folder

    async def end(self) -> None:
        """SIGTERM, then SIGKILL; the socket's folder goes with it."""
        await self.client.aclose()
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), TERMINATE_SECONDS)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)


async def spawn(settings: LlamaSettings, log: Path) -> LlamaProcess:
    """Start a child and wait until it has loaded the weights.

    Its output is appended to `log`. Raises EngineDown with the child's last words when
    it ends or stays silent instead.
    """
    folder = Path(tempfile.mkdtemp(prefix="tunery-", dir=_short_temporary_folder()))
    key = secrets.token_urlsafe(32)
    process = None
    try:
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "serve.engines.llama_child",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=output,
                env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"},
            )
        await _load(process, settings, folder / "engine.sock", key, log)
    except BaseException:
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()
        shutil.rmtree(folder, ignore_errors=True)
        raise
    client = httpx.AsyncClient(
        transport=httpx.AsyncHTTPTransport(
            uds=str(folder / "engine.sock"),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        ),
        base_url="http://engine",
        headers={"Authorization": f"Bearer {key}"},
        timeout=httpx.Timeout(10.0, read=SILENCE_SECONDS),
        trust_env=False,
    )
    return LlamaProcess(process, folder, client)


async def _load(
    process: asyncio.subprocess.Process, settings: LlamaSettings, socket: Path, key: str, log: Path
) -> None:
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        raise EngineDown("the engine was started without pipes to speak through")
    order = {
        "model": str(settings.weights.resolve()),
        "context_length": settings.context_length,
        "slots": settings.slots,
        "threads": settings.threads,
        "socket": str(socket),
        "key": key,
        "parent": os.getpid(),
    }
    with contextlib.suppress(ConnectionError):
        stdin.write(json.dumps(order).encode() + b"\n")
        await stdin.drain()
        stdin.close()
    try:
        said = await asyncio.wait_for(stdout.readline(), LOAD_SECONDS)
    except TimeoutError:
        raise EngineDown(f"the engine did not load {settings.weights} in {LOAD_SECONDS:.0f} s") from None
    if said.strip() != b"ready":
        raise EngineDown(f"the engine did not start: {last_words(log)}")


def last_words(log: Path) -> str:
    """The last line the child wrote, for an error message."""
    lines = [line for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"it said nothing, see {log}"


def _short_temporary_folder() -> str | None:
    # The kernel cuts socket paths at 108 bytes; a long TMPDIR would not leave room.
    chosen = tempfile.gettempdir()
    length = len(os.fsencode(f"{chosen}/tunery-xxxxxxxx/engine.sock"))
    return chosen if length < _SOCKET_PATH_LIMIT else "/tmp"  # noqa: S108 (mkdtemp makes it private)
