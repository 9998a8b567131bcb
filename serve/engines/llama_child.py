"""The child process that runs llama.cpp's server, for `serve.engines.llama_cpp`.

Started as `python -P -m serve.engines.llama_child`, with its settings as one line of
JSON on stdin so that the key stands in no process list. It listens on a UNIX socket,
writes the line "ready" to stdout, and lives until SIGTERM or until its parent dies.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve until told to stop; the exit code is 1 when the model cannot be loaded."""
    announce = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the library prints goes to the log
    settings = json.loads(sys.stdin.readline())
    _die_with(settings["parent"])
    try:
        server = _start_server(settings)
    except Exception as error:  # the library passes on whatever C++ threw
        _leave(1, f"llama.cpp cannot load {settings['model']}: {error}")
    done = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    announce.write("ready\n")
    announce.flush()
    done.wait()
    # When the parent was killed, nobody else is left to remove the socket.
    shutil.rmtree(Path(settings["socket"]).parent, ignore_errors=True)
    _leave(0, f"llama.cpp at {server.listening_address} was told to stop")


def _start_server(settings: dict[str, Any]) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings["model"]
    params.hostnames = [settings["socket"]]
    params.api_keys = [settings["key"]]
    params.n_parallel = settings["slots"]
    params.n_ctx = settings["slots"] * settings["context_length"]
    params.kv_unified = False  # each slot owns its share, so a long neighbour cannot take it
    params.fit_params = False
    params.cache_ram_mib = 0  # by default a cache of old prompts grows to 8 GiB
    params.cache_idle_slots = False
    params.n_ctx_checkpoints = 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings["threads"]
    params.n_threads_http = 2 * settings["slots"] + 2
    params.ui = False
    params.endpoint_slots = False
    params.warmup = False  # the parent's canary warms up
    params.verbosity = 1
    return xllamacpp.Server(params)


def _die_with(parent: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)  # the parent died before the kernel was asked


def _leave(code: int, last_words: str) -> NoReturn:
    sys.stderr.write(f"{last_words}\n")
    sys.stderr.flush()
    # Tearing a server down with a request in flight deadlocks, so the process just ends.
    os._exit(code)


if __name__ == "__main__":
    main()
