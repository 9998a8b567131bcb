"""Asking: what is still to ask about each passage, and the replies in the passages' order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from core.data.generate.asking import Ask
from core.data.generate.passages import Passage
from core.data.generate.prompts import ask_for_pair
from core.data.generate.replies import Pair, Unusable, read_reply
from core.data.generate.request import GenerateRequest
from serve.engines.protocol import PromptTooLong
from tunery.errors import Stopped
from tunery.hashes import sha256_json


@dataclass(frozen=True)
class Wish:
    """One question to ask for. `id` is a hash of all that the reply depends on."""

    id: str
    kind: str
    seed: int


@dataclass(frozen=True)
class Round:
    """All that is still to ask about a passage, and the questions that an earlier call got for it."""

    passage: Passage
    wishes: tuple[Wish, ...]
    earlier: tuple[str, ...]


Replies = list[tuple[Wish, Pair | Unusable]]


def plan_rounds(
    passages: Sequence[Passage], request: GenerateRequest, model: str, asked: Mapping[str, str]
) -> list[Round]:
    """The rounds with something left to ask. `asked` maps the ids of settled wishes to their questions."""
    rounds = []
    for passage in passages:
        wishes = [_wish(passage, number, request, model) for number in range(request.questions)]
        earlier = tuple(filter(None, (asked.get(wish.id) for wish in wishes)))
        rounds.append(Round(passage, tuple(wish for wish in wishes if wish.id not in asked), earlier))
    return [found for found in rounds if found.wishes]


def _wish(passage: Passage, number: int, request: GenerateRequest, model: str) -> Wish:
    # Counted from the passage's own hash, so that a new document before it changes nothing here.
    kind = request.kinds[(int(passage.chunk.id[:8], 16) + number) % len(request.kinds)]
    key = sha256_json([passage.chunk.id, number, kind, request.seed, request.language, model])
    return Wish(key[:16], kind, int(key[16:23], 16))


@contextmanager
def asking(
    rounds: Sequence[Round], request: GenerateRequest, ask: Ask, stop_requested: Callable[[], bool]
) -> Iterator[Iterator[tuple[Round, Replies]]]:
    """Ask for all, several rounds side by side; replies come in the order of the rounds.

    The wishes of one round are asked one after another, each knowing the questions before
    it. Leaving the block asks no more; prompts under way are ended by whoever opened `ask`.
    """
    pool = ThreadPoolExecutor(ask.parallel, thread_name_prefix="ask")

    def answered(this: Round) -> Replies:
        earlier = list(this.earlier)
        found: Replies = []
        for wish in this.wishes:
            if stop_requested():
                raise Stopped("stopped; run the same command again to go on")
            reply = _ask_once(this.passage, wish, request, ask, earlier)
            found.append((wish, reply))
            earlier += [reply.question] if isinstance(reply, Pair) else []
        return found

    futures = [pool.submit(answered, this) for this in rounds]
    try:
        yield ((this, future.result()) for this, future in zip(rounds, futures, strict=True))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _ask_once(
    passage: Passage, wish: Wish, request: GenerateRequest, ask: Ask, earlier: Sequence[str]
) -> Pair | Unusable:
    messages = ask_for_pair(
        passage.chunk.text,
        title=passage.title,
        heading=passage.chunk.heading,
        kind=wish.kind,
        language=request.language,
        earlier=earlier,
    )
    try:
        return read_reply(ask(messages, seed=wish.seed))
    except PromptTooLong as error:
        return Unusable("too_long", f"the passage does not fit: {error}")
