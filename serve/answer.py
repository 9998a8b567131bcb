"""One question's way: messages -> prompt -> does it fit -> generate -> text.

Whoever answers goes through here, the HTTP API as well as evaluation of what is served.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from serve.chat import Message
from serve.engines.protocol import Engine, FinishReason, GenerateRequest, PromptTooLong
from serve.line import Line
from serve.model_folder import OpenModel
from tunery.errors import BadInput


@dataclass(frozen=True)
class Question:
    """What is asked and how it is to be answered.

    `max_tokens` None takes what the server allows and the context has room for.
    Temperature 0, the default, is greedy: as the model was evaluated.
    """

    messages: tuple[Message, ...]
    max_tokens: int | None = None
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Usage:
    """Tokens read, and tokens generated with the stop token."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True)
class Answer:
    """An answer, or a piece of one; only the last piece has `finish_reason` and a final `usage`."""

    text: str
    finish_reason: FinishReason | None
    usage: Usage


class TooManyTokens(BadInput):
    """More tokens are wanted than may be generated."""


class Answerer:
    """Answers questions with one model and one engine, a bounded number at a time."""

    def __init__(self, model: OpenModel, engine: Engine, *, line: Line, max_tokens: int) -> None:
        self.engine = engine
        self._model = model
        self._line = line
        self._max_tokens = max_tokens

    async def answer(self, question: Question) -> Answer:
        """The whole answer.

        Raises BadInput (PromptTooLong, TooManyTokens), Busy when the line is full, and
        EngineDown. Cancelling gives the slot back.
        """
        request = await self._prepare(question)
        async with self._line.place():
            done = await self.engine.complete(request)
        return Answer(done.text, done.finish_reason, Usage(len(request.ids), done.tokens))

    async def stream(self, question: Question) -> AsyncGenerator[Answer, None]:
        """The answer in pieces of whole characters; closing it gives the slot back. Raises as `answer`."""
        request = await self._prepare(question)
        async with self._line.place(), aclosing(self.engine.generate(request)) as chunks:
            async for chunk in chunks:
                yield Answer(chunk.text, chunk.finish_reason, Usage(len(request.ids), chunk.tokens))

    async def _prepare(self, question: Question) -> GenerateRequest:
        self._line.check()
        # A long prompt takes a moment to encode; others go on meanwhile.
        return await asyncio.to_thread(self._render, question)

    def _render(self, question: Question) -> GenerateRequest:
        ids = self._model.chat.render(question.messages, add_generation_prompt=True).ids
        room = self.engine.context_length - len(ids)
        if room < 1:
            raise PromptTooLong(len(ids), self.engine.context_length)
        return GenerateRequest(
            ids=tuple(ids),
            max_tokens=self._allowed(question.max_tokens, len(ids), room),
            temperature=question.temperature,
            top_p=question.top_p,
            seed=question.seed,
            stop=question.stop,
            stop_ids=self._model.manifest.stop_ids,
            reuse_prefix=True,
        )

    def _allowed(self, wanted: int | None, prompt: int, room: int) -> int:
        if wanted is None:
            return min(self._max_tokens, room)
        if wanted > self._max_tokens:
            raise TooManyTokens(
                f"an answer may have {self._max_tokens} tokens here; ask for fewer than {wanted}"
            )
        if wanted > room:
            raise TooManyTokens(
                f"the prompt is {prompt} tokens and a conversation may hold {prompt + room}, which leaves "
                f"{room} for the answer; ask for fewer than {wanted} or shorten the prompt"
            )
        return wanted
