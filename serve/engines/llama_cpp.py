"""The llama.cpp engine: keeps a child process answering, and speaks its protocol.

The child may crash; this side notices, fails what was in flight with one sentence, and
starts it again, waiting longer after each failure. Only token ids go in.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx

from serve.engines.llama_process import LlamaProcess, LlamaSettings, last_words, spawn
from serve.engines.protocol import Chunk, Completion, EngineDown, FinishReason, GenerateRequest, PromptTooLong
from serve.engines.stops import StopWatch
from tunery.errors import BadInput, TuneryError

_log = logging.getLogger(__name__)
_LONGEST_PAUSE = 30.0
_RANDOM_SEED = 2**32 - 1  # llama.cpp draws one when it reads this
# A whole answer comes in one piece at its end, however long that takes.
_NO_LIMIT = httpx.Timeout(10.0, read=None)
_FIELDS = ["content", "tokens", "stop", "stop_type", "tokens_predicted"]


class LlamaCppEngine:
    """An `Engine` on a GGUF file. All methods belong to one event loop."""

    def __init__(self, settings: LlamaSettings, log: Path) -> None:
        """`log` is the file that takes what the child prints."""
        self._settings = settings
        self._log_file = log
        self._child: LlamaProcess | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def context_length(self) -> int:
        return self._settings.context_length

    async def start(self) -> None:
        self._child = await self._launch()
        self._keeper = asyncio.create_task(self._keep_alive())

    def ready(self) -> bool:
        return self._child is not None and self._child.process.returncode is None and not self._closing

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        watch = StopWatch(request.stop)
        answer = self._stream(self._living(), {**self._body(request), "stop": [], "stream": True})
        async with contextlib.aclosing(answer):
            async for piece in answer:
                if piece["stop"]:
                    yield Chunk(watch.rest(), piece["tokens_predicted"], _finish_reason(piece))
                    return
                text, stopped = watch.add(piece["content"])
                if text or stopped:
                    yield Chunk(text, piece["tokens_predicted"], "stop" if stopped else None)
                if stopped:
                    return

    async def complete(self, request: GenerateRequest) -> Completion:
        child = self._living()
        try:
            reply = await child.client.post("/completion", json=self._body(request), timeout=_NO_LIMIT)
        except httpx.HTTPError as error:
            raise self._gone(error) from None
        return _completion(_checked(reply.status_code, reply.json()))

    async def close(self) -> None:
        self._closing = True
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        if self._child is not None:
            await self._child.end()
            self._child = None

    async def _launch(self) -> LlamaProcess:
        child = await spawn(self._settings, self._log_file)
        try:
            for stop_id in self._settings.stop_ids:
                await self._try_out(child, stop_id)
        except BaseException:
            await child.end()
            raise
        return child

    async def _try_out(self, child: LlamaProcess, stop_id: int) -> None:
        """One token through the real queue, pushed to be `stop_id`: the weights must end there too."""
        canary = self._body(GenerateRequest(ids=(0,), max_tokens=2))
        try:
            reply = await child.client.post("/completion", json={**canary, "logit_bias": [[stop_id, 1e4]]})
        except httpx.HTTPError as error:
            raise EngineDown(f"the engine loaded the model and gave no first token ({error})") from None
        if _checked(reply.status_code, reply.json())["stop_type"] != "eos":
            raise EngineDown(
                f"the engine does not end at token {stop_id}, with which the model ends its answers; "
                "export the model again"
            )

    async def _keep_alive(self) -> None:
        pause = 0.5
        while True:
            if self._child is not None:
                code = await self._child.process.wait()
                _log.error("the engine ended with code %s: %s", code, last_words(self._log_file))
                dead, self._child = self._child, None
                await dead.end()
            try:
                self._child = await self._launch()
                _log.warning("the engine answers again")
                pause = 0.5
            except (TuneryError, OSError) as error:
                _log.error("%s; next try in %.1f s", error, pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _living(self) -> LlamaProcess:
        if self._child is None or not self.ready():
            raise EngineDown("the engine is being restarted; try again in a moment")
        return self._child

    async def _stream(
        self, child: LlamaProcess, body: dict[str, Any]
    ) -> AsyncGenerator[dict[str, Any], None]:
        try:
            async with child.client.stream("POST", "/completion", json=body) as reply:
                if reply.status_code != 200:
                    _checked(reply.status_code, json.loads(await reply.aread()))
                async for line in reply.aiter_lines():
                    if line.startswith("data: "):
                        yield _checked(200, json.loads(line[len("data: ") :]))
        except httpx.HTTPError as error:
            raise self._gone(error) from None
        raise EngineDown("the engine ended its answer halfway; try again in a moment")

    def _gone(self, error: httpx.HTTPError) -> EngineDown:
        if isinstance(error, httpx.ReadTimeout):
            return EngineDown("the engine was silent for too long; try again with a shorter prompt")
        return EngineDown(
            "the engine stopped while it answered and is being restarted; try again in a moment"
        )

    def _body(self, request: GenerateRequest) -> dict[str, Any]:
        if not set(request.stop_ids) <= set(self._settings.stop_ids):
            raise BadInput(f"this engine ends at tokens {list(self._settings.stop_ids)} only")
        room = self.context_length - len(request.ids)
        if room < 1:
            raise PromptTooLong(len(request.ids), self.context_length)
        greedy = request.temperature == 0
        return {
            "prompt": list(request.ids),
            "n_predict": min(request.max_tokens, room),
            "samplers": ["top_k"] if greedy else ["temperature", "top_k", "top_p"],
            "temperature": request.temperature,
            "top_k": 1 if greedy else request.top_k,
            "top_p": request.top_p,
            "min_p": 0.0,
            "repeat_penalty": 1.0,
            "seed": _RANDOM_SEED if request.seed is None else request.seed % _RANDOM_SEED,
            "stop": list(request.stop),
            "cache_prompt": request.reuse_prefix,
            "return_tokens": True,
            "response_fields": _FIELDS,
        }


def _checked(status: int, reply: dict[str, Any]) -> dict[str, Any]:
    if status != 200 or "error" in reply:
        error = reply.get("error", reply)
        message = f"the engine refused the request: {error.get('message', error)}"
        raise BadInput(message) if error.get("code") == 400 else EngineDown(message)
    return reply


def _finish_reason(reply: dict[str, Any]) -> FinishReason:
    return "length" if reply["stop_type"] == "limit" else "stop"


def _completion(reply: dict[str, Any]) -> Completion:
    ids = reply["tokens"]
    return Completion(
        ids=tuple(ids[:-1] if reply["stop_type"] == "eos" else ids),
        # A character cut in the middle arrives as a replacement character; a stream never shows it.
        text=reply["content"].rstrip("\ufffd"),
        finish_reason=_finish_reason(reply),
        tokens=reply["tokens_predicted"],
    )
