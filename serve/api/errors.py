"""Errors as OpenAI's clients expect them: `{"error": {message, type, param, code}}`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import Response

from serve.answer import TooManyTokens
from serve.engines.protocol import EngineDown, PromptTooLong
from serve.line import Busy
from tunery.errors import BadInput


class JsonResponse(Response):
    """JSON in plain ASCII: what clients sent may hold half characters that no UTF-8 can carry."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return json.dumps(content, separators=(",", ":")).encode("ascii")


class Refusal(Exception):
    """A request that is not answered. `param` names the part of the body that is wrong."""

    def __init__(
        self,
        status: int,
        message: str,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        kind = "invalid_request_error" if self.status < 429 else "server_error"
        kind = "rate_limit_error" if self.status == 429 else kind
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> Response:
        return JsonResponse(self.body(), self.status, self.headers)


def refusal_for(error: Exception) -> Refusal:
    """What a client is told about an error; anything unforeseen keeps its details to the log."""
    match error:
        case Refusal():
            return error
        case PromptTooLong():
            return Refusal(400, str(error), "messages", "context_length_exceeded")
        case TooManyTokens():
            return Refusal(400, str(error), "max_tokens", "max_tokens_exceeded")
        case BadInput():
            return Refusal(400, str(error), "messages")
        case Busy():
            return Refusal(
                429, str(error), code="server_busy", headers={"Retry-After": str(error.retry_after)}
            )
        case EngineDown():
            return Refusal(503, str(error), code="engine_down", headers={"Retry-After": "2"})
        case _:
            return Refusal(500, "the server failed on this request; its log says why", code="internal_error")
