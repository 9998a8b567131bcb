"""The HTTP application: `POST /v1/chat/completions`, `GET /v1/models`, `/healthz`, `/readyz`."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable
from typing import Any, TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from serve.answer import Answer, Answerer, Usage
from serve.api.errors import JsonResponse, Refusal, refusal_for
from serve.api.request import MAX_BODY_BYTES, ChatRequest, read_request

_log = logging.getLogger(__name__)
Result = TypeVar("Result")


def create_app(answerer: Answerer, name: str) -> FastAPI:
    """The application that answers as the model `name`."""
    app = FastAPI(title="Tunery", docs_url=None, redoc_url=None, openapi_url=None)
    started = int(time.time())
    listing = {"id": name, "object": "model", "created": started, "owned_by": "tunery"}

    @app.exception_handler(Refusal)
    async def refused(_: Request, refusal: Refusal) -> Response:
        return refusal.response()

    @app.exception_handler(HTTPException)
    async def no_route(_: Request, error: HTTPException) -> Response:
        return Refusal(error.status_code, f"{error.detail}; see GET /v1/models for what is here").response()

    @app.get("/healthz")
    async def healthz() -> Response:
        return JsonResponse({"status": "alive"})

    @app.get("/readyz")
    async def readyz() -> Response:
        ready = answerer.engine.ready()
        return JsonResponse({"status": "ready" if ready else "not ready"}, 200 if ready else 503)

    @app.get("/v1/models")
    async def models() -> Response:
        return JsonResponse({"object": "list", "data": [listing]})

    @app.get("/v1/models/{wanted:path}")
    async def model(wanted: str) -> Response:
        if wanted != name:
            raise Refusal(404, f"there is no model {wanted!a} here; use {name!r}", "model", "model_not_found")
        return JsonResponse(listing)

    @app.post("/v1/chat/completions")
    async def chat_completions(http: Request) -> Response:
        try:
            request = read_request(await _read_body(http), name)
            if request.stream:
                return await _streamed(http, answerer, request)
            answer = await _while_connected(http, answerer.answer(request.question()))
            return JsonResponse(_completion(name, answer))
        except ClientGone:
            return Response(status_code=499)  # goes nowhere; the number is nginx's
        except Exception as error:
            refusal = refusal_for(error)
            if refusal.status == 500:
                _log.exception("a request failed")
            raise refusal from None

    return app


class EventStream(StreamingResponse):
    """Server-sent events; the generator behind them is closed however the response ends."""

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        super().__init__(
            events,
            media_type="text/event-stream",
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
        )
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._events.aclose()


class ClientGone(Exception):
    """The client closed the connection; nobody reads what is answered."""


async def _streamed(http: Request, answerer: Answerer, request: ChatRequest) -> Response:
    pieces = answerer.stream(request.question())
    try:
        # The first piece comes before the headers, so that a refusal still has its status.
        first = await _while_connected(http, anext(pieces))
    except BaseException:
        await pieces.aclose()
        raise
    return EventStream(_events(request, first, pieces))


async def _events(
    request: ChatRequest, first: Answer, pieces: AsyncGenerator[Answer, None]
) -> AsyncGenerator[bytes, None]:
    head = {
        "id": _new_id(),
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": request.model,
    }
    if request.wants_usage:
        head["usage"] = None
    try:
        yield _event({**head, "choices": [_delta({"role": "assistant", "content": ""})]})
        piece = first
        while True:
            if piece.text:
                yield _event({**head, "choices": [_delta({"content": piece.text})]})
            if piece.finish_reason is not None:
                break
            piece = await anext(pieces)
        yield _event({**head, "choices": [_delta({}, piece.finish_reason)]})
        if request.wants_usage:
            yield _event({**head, "choices": [], "usage": _usage(piece.usage)})
        yield b"data: [DONE]\n\n"
    except Exception as error:
        refusal = refusal_for(error)
        _log.warning("a stream broke: %s", error)
        yield _event(refusal.body())
    finally:
        await pieces.aclose()


async def _while_connected(http: Request, work: Awaitable[Result]) -> Result:
    """The result of `work`, which is cancelled when the client closes the connection."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnected(http))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGone("the client closed the connection")
        return task.result()
    finally:
        for pending in (task, gone):
            pending.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _disconnected(http: Request) -> None:
    while (await http.receive())["type"] != "http.disconnect":
        pass


async def _read_body(http: Request) -> bytes:
    kind = http.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        # Also keeps web pages out: a browser sends this type to another origin only after asking.
        raise Refusal(415, "send the body as JSON with Content-Type: application/json")
    body = bytearray()
    size = 0
    async for piece in http.stream():
        size += len(piece)
        if size > 8 * MAX_BODY_BYTES:
            break
        # Read on without keeping it: a client that still sends would not see the refusal.
        if size <= MAX_BODY_BYTES:
            body += piece
    if size > MAX_BODY_BYTES:
        raise Refusal(
            413, f"the body is larger than {MAX_BODY_BYTES} bytes; send less", headers={"Connection": "close"}
        )
    return bytes(body)


def _completion(name: str, answer: Answer) -> dict[str, Any]:
    message = {"role": "assistant", "content": answer.text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish_reason}
    return {
        "id": _new_id(),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": name,
        "choices": [choice],
        "usage": _usage(answer.usage),
    }


def _delta(delta: dict[str, str], finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _usage(usage: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n\n"


def _new_id() -> str:
    return f"chatcmpl-{uuid.uuid4().hex}"
