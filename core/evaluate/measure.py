"""Measure one subject: the loss of every row, and its answer to every prompt."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import version

from core.evaluate.cache import Cache, cache_key
from core.evaluate.losses import llama_losses, torch_engine_name, torch_losses
from core.evaluate.prompts import Prompt
from core.evaluate.scores import Answer, RowLoss
from core.evaluate.subjects import Subject
from core.models.dataset import TokenRow
from core.workspace.events import Emit, Progress
from serve.engines.blocking import open_engine
from serve.engines.protocol import Completion, GenerateRequest
from tunery.errors import Stopped

# Prompts that are generated side by side; figures in the design are for 8.
SLOTS = 8
# Another batch composition may change the last bits of a logit, so slots belong to the cache's key.
_PROGRESS_SECONDS = 1.0


def answer_engine_name() -> str:
    """Name and version of what generates the answers."""
    return f"llama.cpp by xllamacpp {version('xllamacpp')}"


def loss_engine_name(subject: Subject) -> str:
    """Name, version and arithmetic of what computes the subject's loss."""
    if subject.loss_engine == "torch":
        return torch_engine_name()
    from core.models.llama_logits import engine_name

    return f"llama.cpp by {engine_name()}"


class Meter:
    """Measures subjects one after another, with the cache and the progress they share."""

    def __init__(self, cache: Cache, emit: Emit, stop_requested: Callable[[], bool], total: int) -> None:
        """`total` is the number of losses and answers of all subjects."""
        self._cache = cache
        self._emit = emit
        self._stop_requested = stop_requested
        self._total = total
        self._done = 0
        self._measured = 0
        self._started = self._reported = time.monotonic()

    def losses(self, subject: Subject, rows: Sequence[TokenRow]) -> list[RowLoss]:
        """The loss of every row, in order."""
        engine, weights = loss_engine_name(subject), subject.scored_sha256
        keys = [
            cache_key(
                "loss", ids=row.ids.tolist(), trained=row.trained.tolist(), weights=weights, engine=engine
            )
            for row in rows
        ]
        missing = [place for place, key in enumerate(keys) if self._cache.get(key) is None]
        self._advance(len(rows) - len(missing), measured=0)
        if missing:
            wanted = [rows[place] for place in missing]
            for place, loss in zip(missing, _compute_losses(subject, wanted), strict=True):
                self._cache.put(keys[place], asdict(loss))
                self._advance(1, measured=1)
        return [RowLoss(**self._cache.get(key)) for key in keys]  # type: ignore[arg-type]

    def answers(self, subject: Subject, prompts: Sequence[Prompt], max_new_tokens: int) -> list[Answer]:
        """The subject's greedy answer to every prompt, in order, through the serving engine."""
        room = subject.served.manifest.context_length
        stop_ids = subject.served.manifest.stop_ids
        requests = [
            GenerateRequest(prompt.ids, answer_room(prompt, max_new_tokens, room), stop_ids=stop_ids)
            for prompt in prompts
        ]
        engine, weights = answer_engine_name(), subject.served_sha256
        keys = [
            cache_key("answer", request=asdict(request), weights=weights, engine=engine, slots=SLOTS)
            for request in requests
        ]
        missing = [place for place, key in enumerate(keys) if self._cache.get(key) is None]
        self._advance(len(prompts) - len(missing), measured=0)

        def keep(index: int, answer: Completion) -> None:
            value = Answer(answer.text, answer.tokens, stopped=answer.finish_reason == "stop")
            self._cache.put(keys[missing[index]], asdict(value))
            self._advance(1, measured=1)

        if missing:
            longest = max(len(request.ids) + request.max_tokens for request in requests)
            with open_engine(subject.served, slots=SLOTS, context_length=min(room, longest)) as generator:
                generator.generate_many([requests[place] for place in missing], on_done=keep)
        return [Answer(**self._cache.get(key)) for key in keys]  # type: ignore[arg-type]

    def _advance(self, count: int, *, measured: int) -> None:
        """Count what is done, say so at most once a second, and stop where that was asked for."""
        self._done += count
        self._measured += measured
        now = time.monotonic()
        if now - self._reported >= _PROGRESS_SECONDS or self._done == self._total:
            self._reported = now
            left = self._total - self._done
            eta = (now - self._started) / self._measured * left if self._measured else None
            self._emit(Progress(what="losses and answers", done=self._done, of=self._total, eta=eta))
        if self._stop_requested():
            raise Stopped(f"stopped after {self._done} of {self._total} losses and answers; resume to go on")


def answer_room(prompt: Prompt, max_new_tokens: int, context_length: int) -> int:
    """Tokens an answer may have: fewer than `max_new_tokens` where the context ends before."""
    return max(1, min(max_new_tokens, context_length - len(prompt.ids)))


def _compute_losses(subject: Subject, rows: Sequence[TokenRow]) -> Iterator[RowLoss]:
    if subject.loss_engine == "torch":
        return torch_losses(subject.scored, rows)
    return llama_losses(subject.served.weights, rows)
