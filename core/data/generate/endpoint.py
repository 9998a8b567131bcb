"""An OpenAI-compatible endpoint is asked: over TLS or to this machine only, patiently but not for ever."""

from __future__ import annotations

import ipaddress
import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx

from core.data.generate.asking import ANSWER_TOKENS, TEMPERATURE
from core.data.generate.request import Endpoint
from core.data.rows import shorten
from serve.chat import Message
from tunery.errors import BadInput, Stopped, TuneryError

ATTEMPTS = 6
_PARALLEL = 4
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_TIMEOUT = httpx.Timeout(10.0, read=120.0)
# A reply of some hundred tokens is a few KiB; more comes from something else than a model.
_LARGEST_REPLY = 4 * 2**20
_PASSING = {408, 409, 425, 429, 500, 502, 503, 504, 529}


@contextmanager
def open_endpoint(endpoint: Endpoint, *, first_pause: float = _FIRST_PAUSE) -> Iterator[EndpointAsk]:
    """Check the address and the key, and connect. `first_pause` is seconds before the second attempt."""
    loopback = _check_address(endpoint.base_url)
    key = _read_key(endpoint.key_from)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    # What is meant for this machine goes through no proxy of the environment.
    client = httpx.Client(headers=headers, timeout=_TIMEOUT, trust_env=not loopback)
    ask = EndpointAsk(endpoint, client, key, first_pause)
    try:
        yield ask
    finally:
        ask.close()


class EndpointAsk:
    """An `Ask` on a chat completions API."""

    parallel = _PARALLEL

    def __init__(self, endpoint: Endpoint, client: httpx.Client, key: str | None, first_pause: float) -> None:
        self.name = endpoint.model
        self._endpoint = endpoint
        self._url = f"{endpoint.base_url.rstrip('/')}/chat/completions"
        self._client = client
        self._key = key
        self._first_pause = first_pause
        self._closed = threading.Event()

    def __call__(self, messages: Sequence[Message], *, seed: int) -> str:
        body = {
            "model": self._endpoint.model,
            "messages": [message.to_dict() for message in messages],
            "temperature": TEMPERATURE,
            "max_tokens": ANSWER_TOKENS,
            "seed": seed,
        }
        pause, trouble = self._first_pause, ""
        for attempt in range(ATTEMPTS):
            if attempt and self._closed.wait(pause):
                break
            try:
                status, headers, content = self._post(body)
            except httpx.RequestError as error:
                trouble = f"cannot be reached ({type(error).__name__})"
                pause = min(2 * pause, _LONGEST_PAUSE) if attempt else pause
                continue
            if status == 200:
                return self._read(content)
            if status not in _PASSING:
                raise self._refusal(status, content)
            trouble = f"answers {status}: {self._said(content)}"
            pause = _wished_pause(headers) or (min(2 * pause, _LONGEST_PAUSE) if attempt else pause)
        if self._closed.is_set():
            raise Stopped("stopped while the endpoint was asked; run the same command again to go on")
        raise TuneryError(
            f"{self._endpoint.base_url} {trouble}, {ATTEMPTS} times in a row; "
            "run the same command later, it goes on where this ended"
        )

    def close(self) -> None:
        """End waiting and asking in every thread."""
        self._closed.set()
        self._client.close()

    def _post(self, body: Mapping[str, Any]) -> tuple[int, httpx.Headers, bytes]:
        if self._closed.is_set():
            raise Stopped("stopped before the endpoint was asked; run the same command again to go on")
        with self._client.stream("POST", self._url, json=body) as reply:
            content = b""
            for piece in reply.iter_bytes():
                content += piece
                if len(content) > _LARGEST_REPLY:
                    raise TuneryError(
                        f"{self._endpoint.base_url} sends far more than an answer; check --endpoint"
                    )
            return reply.status_code, reply.headers, content

    def _read(self, content: bytes) -> str:
        try:
            text = json.loads(content)["choices"][0]["message"]["content"]
        except (ValueError, LookupError, TypeError, RecursionError):
            raise BadInput(
                f"{self._endpoint.base_url} does not answer as an OpenAI-compatible API; "
                "check --endpoint, which mostly ends with /v1"
            ) from None
        return text if isinstance(text, str) else ""

    def _refusal(self, status: int, content: bytes) -> BadInput:
        base, said = self._endpoint.base_url, self._said(content)
        if status in (401, 403):
            named = self._endpoint.key_from
            hint = f"check the key in ${named}" if named else "name the variable with the key by --key-from"
            return BadInput(f"{base} refuses access ({status}): {said}; {hint}")
        if 300 <= status < 400:
            return BadInput(f"{base} redirects elsewhere, which is not followed; name the final address")
        return BadInput(
            f"{base} refuses the request ({status}): {said}; check --endpoint and the model {self.name!r}"
        )

    def _said(self, content: bytes) -> str:
        """The endpoint's own words, short, and without the key should it be among them."""
        try:
            error = json.loads(content)["error"]
            words = str(error["message"] if isinstance(error, dict) else error)
        except (ValueError, LookupError, TypeError, RecursionError):
            words = content.decode("utf-8", "replace")
        words = words.replace(self._key, "…") if self._key else words
        return shorten(words, 160) or "nothing more"


def _check_address(base_url: str) -> bool:
    """Whether the address is this machine. Raises BadInput for one that text must not be sent to."""
    try:
        parts = httpx.URL(base_url)
    except httpx.InvalidURL:
        parts = httpx.URL("")
    if not parts.host or parts.scheme not in ("http", "https"):
        raise BadInput(f"{base_url!r} is no address of an endpoint; write it like https://host/v1")
    if parts.userinfo or parts.query or parts.fragment:
        raise BadInput("the endpoint's address holds more than host and path; give the key by --key-from")
    loopback = _is_loopback(parts.host)
    if parts.scheme == "http" and not loopback:
        raise BadInput(f"{base_url} would get your documents and the key unencrypted; use https")
    return loopback


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read_key(variable: str | None) -> str | None:
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise BadInput(f"the environment variable {variable} holds no key; export it, or correct --key-from")
    if not key.isascii() or not key.isprintable():
        raise BadInput(f"the key in {variable} holds characters that no key has; export it again")
    return key


def _wished_pause(headers: Mapping[str, str]) -> float | None:
    """Seconds that the endpoint asks to wait, where it says so in seconds."""
    wish = headers.get("retry-after", "")
    return min(float(wish), _LONGEST_PAUSE) if wish.isascii() and wish.isdigit() else None
