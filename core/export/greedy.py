"""Parity of what comes out: greedy text through the engine that serves, against float32."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.export.checks import EXAMPLES
from core.export.reference import GREEDY_TOKENS, PromptReference
from serve.chat import ChatFormat
from serve.engines.blocking import open_engine
from serve.engines.protocol import Completion, GenerateRequest
from serve.model_folder import OpenModel

# A divergence counts where the reference prefers its token by more than this, in nat:
# below it, two correct programs may round to different tokens.
COUNTED_GAP = 0.05


@dataclass(frozen=True)
class Divergence:
    """Where an answer first leaves the reference, and by how much the reference prefers its own token."""

    prompt: str
    position: int
    gap: float
    wanted: str
    found: str

    def __str__(self) -> str:
        lead = f"{self.gap:.3f} nat" if math.isfinite(self.gap) else "far"
        return (
            f"{self.prompt}, token {self.position + 1}: {self.found!r} instead of {self.wanted!r}, "
            f"which the reference prefers by {lead}"
        )


@dataclass(frozen=True)
class GreedyParity:
    """Shares of prompts with equal text over GREEDY_TOKENS tokens.

    `raw` takes every divergence, `counted` only those above COUNTED_GAP.
    `tokens_per_second` is of this pass, one prompt at a time, prompts included.
    """

    prompts: int
    raw: float
    counted: float
    divergences: tuple[Divergence, ...]
    tokens_per_second: float

    def examples(self) -> tuple[str, ...]:
        """The counted divergences, widest gap first."""
        counted = sorted(
            (item for item in self.divergences if item.gap > COUNTED_GAP), key=lambda item: -item.gap
        )
        return tuple(map(str, counted[:EXAMPLES]))


def compare_greedy(
    exported: OpenModel,
    prompts: Sequence[PromptReference],
    ends: frozenset[int],
    on_done: Callable[[int, int], None],
) -> GreedyParity:
    """Generate with the serving engine, one prompt at a time: batching changes the last bits.

    `ends` are llama.cpp's own stop tokens. `on_done` gets (done, of) and may raise to stop.
    """
    longest = max(len(item.prompt.ids) for item in prompts)
    context = min(exported.manifest.context_length, max(256, longest + GREEDY_TOKENS + 8))
    found = []
    with open_engine(exported, context_length=context) as engine:
        started = time.monotonic()
        for item in prompts:
            request = GenerateRequest(item.prompt.ids, GREEDY_TOKENS, stop_ids=exported.manifest.stop_ids)
            found.append(engine.generate(request))
            on_done(len(found), len(prompts))
        seconds = time.monotonic() - started
    pairs = zip(prompts, found, strict=True)
    divergences = [
        divergence
        for item, completion in pairs
        if (divergence := _first_divergence(exported.chat, item, completion, ends)) is not None
    ]
    counted = [item for item in divergences if item.gap > COUNTED_GAP]
    return GreedyParity(
        prompts=len(prompts),
        raw=1 - len(divergences) / len(prompts),
        counted=1 - len(counted) / len(prompts),
        divergences=tuple(divergences),
        tokens_per_second=sum(completion.tokens for completion in found) / seconds,
    )


def _first_divergence(
    chat: ChatFormat, item: PromptReference, completion: Completion, ends: frozenset[int]
) -> Divergence | None:
    stopped = completion.finish_reason == "stop"
    for position, step in enumerate(item.answer):
        if position < len(completion.ids):
            token = completion.ids[position]
            if token == step.token:
                continue
            gap, found = step.gap(token), chat.decode([token], skip_special=False)
        elif stopped:
            if step.token in ends:
                return None
            gap = min((step.gap(end) for end in ends), default=float("inf"))
            found = "the end"
        else:
            return None
        wanted = chat.decode([step.token], skip_special=False)
        return Divergence(item.prompt.name, position, gap, wanted, found)
    return None
