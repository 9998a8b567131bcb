"""What an engine is. Every implementation passes `tests/serve/test_engine_protocol.py`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Literal, Protocol

from tunery.errors import BadInput, TuneryError

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class GenerateRequest:
    """One prompt to go on from.

    `ids` is the rendered prompt. `temperature` 0 is greedy; otherwise temperature,
    `top_k` (0: all) and `top_p` apply in this order, as in transformers. `seed` None
    draws a new one. Generation ends before any text of `stop`, and at any token that the
    model ends with; `stop_ids` names such tokens, and BadInput is raised for others. `reuse_prefix` lets the
    engine keep the common beginning of prompts in memory: faster for a conversation,
    but figures may then differ in the last bits with what ran before.
    """

    ids: tuple[int, ...]
    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    stop_ids: tuple[int, ...] = ()
    reuse_prefix: bool = False


@dataclass(frozen=True)
class Chunk:
    """A piece of an answer that is whole characters; the last one has a `finish_reason`.

    `tokens` counts all tokens that were generated so far, the stop token included.
    """

    text: str
    tokens: int
    finish_reason: FinishReason | None = None


@dataclass(frozen=True)
class Completion:
    """A whole answer. `ids` are the generated tokens, without the token that stopped it.

    `tokens` counts what was generated, the stop token included. After a stop string,
    `ids` still hold its tokens, while `text` ends before it.
    """

    ids: tuple[int, ...]
    text: str
    finish_reason: FinishReason
    tokens: int


class Engine(Protocol):
    """Generates tokens for several requests side by side."""

    @property
    def context_length(self) -> int:
        """Tokens that one conversation may hold, prompt and answer together."""
        ...

    async def start(self) -> None:
        """Load the weights and answer a first token. Raises EngineDown when that fails."""
        ...

    def ready(self) -> bool:
        """Whether a request would be answered now; false while a crashed engine restarts."""
        ...

    def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        """Stream an answer; closing the stream frees the engine's slot.

        Raises PromptTooLong before, and EngineDown when the engine dies on the way.
        """
        ...

    async def complete(self, request: GenerateRequest) -> Completion:
        """The whole answer with its exact ids; cancelling frees the slot. Raises as `generate` does."""
        ...

    async def close(self) -> None:
        """Stop for good; requests in flight end with EngineDown."""
        ...


class EngineDown(TuneryError):
    """The engine is not there to answer; mostly it is being restarted."""


class PromptTooLong(BadInput):
    """The prompt leaves no room for an answer."""

    def __init__(self, prompt: int, context_length: int) -> None:
        super().__init__(
            f"the prompt is {prompt} tokens and a conversation may hold {context_length} with its answer; "
            "shorten it"
        )
        self.prompt = prompt
        self.context_length = context_length
