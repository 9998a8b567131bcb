"""An engine for code that is not asynchronous: evaluation, parity, a quick question."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from serve.engines.protocol import Completion, Engine, GenerateRequest
from serve.model_folder import OpenModel
from tunery.errors import BadInput

Result = TypeVar("Result")


def make_engine(
    model: OpenModel,
    *,
    log: Path,
    threads: int | None = None,
    slots: int = 1,
    context_length: int | None = None,
) -> Engine:
    """The engine for a model's format, not started yet. The model's context by default.

    Threads are all cores for several conversations and one fewer for a single one: small
    steps on threads that sleep between them cost more in waking up than they gain (on two
    cores, SmolLM2 q8_0: one thread 43-81 tokens/s, two 39-53, two that spin 10-119).

    Raises BadInput when no engine reads the format or the context is longer than the model's.
    """
    manifest = model.manifest
    if manifest.format != "gguf":
        raise BadInput(
            f"{model.path} holds {manifest.format} weights, which no engine serves; export it to gguf"
        )
    if context_length is not None and context_length > manifest.context_length:
        raise BadInput(
            f"context_length {context_length} is longer than the {manifest.context_length} tokens "
            f"{manifest.name} was made for; set it lower"
        )
    from serve.engines.llama_cpp import LlamaCppEngine
    from serve.engines.llama_process import LlamaSettings

    settings = LlamaSettings(
        weights=model.weights,
        stop_ids=manifest.stop_ids,
        context_length=context_length or manifest.context_length,
        slots=slots,
        threads=threads or _threads(slots),
    )
    return LlamaCppEngine(settings, log)


def _threads(slots: int) -> int:
    cores = len(os.sched_getaffinity(0))
    return cores if slots > 1 else max(1, cores - 1)


@contextmanager
def open_engine(
    model: OpenModel, *, threads: int | None = None, slots: int = 1, context_length: int | None = None
) -> Iterator[BlockingEngine]:
    """Start the engine of `model` for the time of the block.

    `context_length` is per conversation; memory is reserved for `slots` of them. Raises
    EngineDown when it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="tunery-log-") as folder:
        engine = make_engine(
            model,
            log=Path(folder) / "engine.log",
            threads=threads,
            slots=slots,
            context_length=context_length,
        )
        blocking = BlockingEngine(engine, slots)
        try:
            blocking.start()
            yield blocking
        finally:
            blocking.close()


class BlockingEngine:
    """An `Engine` driven from a thread of its own. Several threads may use it at once."""

    def __init__(self, engine: Engine, slots: int) -> None:
        self._engine = engine
        self._slots = slots
        self._loop = asyncio.new_event_loop()
        self._free = asyncio.Semaphore(slots)
        # The child dies with the thread that made it, so this thread lives as long as the engine.
        self._thread = threading.Thread(target=self._loop.run_forever, name="engine", daemon=True)
        self._thread.start()

    @property
    def context_length(self) -> int:
        return self._engine.context_length

    def start(self) -> None:
        self._wait(self._engine.start())

    def generate(self, request: GenerateRequest) -> Completion:
        """The answer to one prompt. Raises PromptTooLong, or EngineDown when the engine dies."""
        return self._wait(self._complete(request))

    def generate_many(
        self,
        requests: Sequence[GenerateRequest],
        on_done: Callable[[int, Completion], None] | None = None,
    ) -> list[Completion]:
        """Answers in the order of `requests`, with all slots kept busy.

        `on_done` is called in the caller's thread with the index and the answer of each
        as it arrives. The first error cancels what is left and is raised.
        """
        futures = {self._submit(self._complete(request)): index for index, request in enumerate(requests)}
        try:
            for future in as_completed(futures):
                answer = future.result()
                if on_done is not None:
                    on_done(futures[future], answer)
        finally:
            for future in futures:
                future.cancel()
        return [future.result() for future in futures]

    def close(self) -> None:
        if self._loop.is_closed():
            return
        with contextlib.suppress(Exception):  # a close that fails has nobody left to tell
            self._wait(self._engine.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _complete(self, request: GenerateRequest) -> Completion:
        async with self._free:
            return await self._engine.complete(request)

    def _submit(self, work: Coroutine[Any, Any, Result]) -> Future[Result]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        future = self._submit(work)
        try:
            return future.result()
        finally:
            future.cancel()
