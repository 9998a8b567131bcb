"""Talk to a run's model: through its server where one runs, else through serve's own answer path."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from core.workspace.home import Workspace
from tunery.errors import TuneryError

if TYPE_CHECKING:
    from core.jobs.records import RunRecord
    from serve.answer import Answerer
    from serve.chat import Message


@dataclass(frozen=True)
class Manner:
    """How answers are sampled; temperature 0 is greedy, as the model was evaluated."""

    temperature: float = 0.0
    max_tokens: int | None = None


class Talker(Protocol):
    """Answers a conversation in pieces; closing the iterator ends the generation."""

    about: str

    def answer(self, messages: Sequence[Message], manner: Manner) -> Iterator[str]: ...


@contextmanager
def open_talker(workspace: Workspace, record: RunRecord) -> Iterator[Talker]:
    """The run's server, or an engine of our own for as long as the block lasts."""
    from tui.serving import server_of_run

    server = server_of_run(workspace, record)
    if server and server.state == "ready" and server.url:
        yield ServerTalker(server.url, server.name)
        return
    with _own_engine(workspace, record) as talker:
        yield talker


class ServerTalker:
    """Asks a running server over HTTP."""

    def __init__(self, url: str, model: str) -> None:
        self.about = f"{model} at {url}"
        self._url = url.removesuffix("/v1") + "/v1/chat/completions"
        self._model = model

    def answer(self, messages: Sequence[Message], manner: Manner) -> Iterator[str]:
        import httpx

        body: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            "temperature": manner.temperature,
            "stream": True,
        }
        if manner.max_tokens:
            body["max_tokens"] = manner.max_tokens
        try:
            # trust_env off: a proxy of the environment must not see what goes over loopback.
            patience = httpx.Timeout(30, read=300)
            with httpx.stream("POST", self._url, json=body, timeout=patience, trust_env=False) as reply:
                if reply.status_code != 200:
                    raise TuneryError(_refusal(reply.read()))
                yield from _pieces(reply.iter_lines())
        except httpx.HTTPError as error:
            raise TuneryError(
                f"the server does not answer ({error}); `tunery servers` shows its state"
            ) from None


class EngineTalker:
    """Asks an engine of this process, on the very path that the server uses."""

    def __init__(self, answerer: Answerer, loop: asyncio.AbstractEventLoop, about: str) -> None:
        self.about = about
        self._answerer = answerer
        self._loop = loop

    def answer(self, messages: Sequence[Message], manner: Manner) -> Iterator[str]:
        from serve.answer import Question

        question = Question(tuple(messages), manner.max_tokens, temperature=manner.temperature)
        stream = self._answerer.stream(question)
        try:
            while True:
                try:
                    yield self._loop.run_until_complete(anext(stream)).text
                except StopAsyncIteration:
                    return
        finally:
            self._loop.run_until_complete(stream.aclose())


@contextmanager
def _own_engine(workspace: Workspace, record: RunRecord) -> Iterator[EngineTalker]:
    from core.jobs.outputs import export_to_serve, serve_section_of
    from serve.answer import Answerer
    from serve.engines.blocking import make_engine
    from serve.line import Line
    from serve.model_folder import open_model

    section = serve_section_of(record)
    export = export_to_serve(workspace, record, section.export)
    loop = asyncio.new_event_loop()
    with tempfile.TemporaryDirectory(prefix="tunery-chat-") as folder:
        engine = make_engine(
            open_model(export.folder),
            log=Path(folder) / "engine.log",
            threads=section.threads,
            context_length=section.context_length,
        )
        try:
            loop.run_until_complete(engine.start())
            answerer = Answerer(
                open_model(export.folder, verify=False),
                engine,
                line=Line(1, 0),
                max_tokens=section.max_tokens,
            )
            yield EngineTalker(answerer, loop, f"{record.name} ({export.quant})")
        finally:
            loop.run_until_complete(engine.close())
            loop.close()


def _pieces(lines: Iterator[str]) -> Iterator[str]:
    """The text of each server-sent event."""
    for line in lines:
        if not line.startswith("data:") or line.endswith("[DONE]"):
            continue
        event = json.loads(line[5:])
        if "error" in event:
            raise TuneryError(str(event["error"].get("message", event["error"])))
        for choice in event.get("choices", ()):
            yield choice.get("delta", {}).get("content") or ""


def _refusal(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"the server refused: {body[:200].decode(errors='replace')}"
