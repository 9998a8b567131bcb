"""The engine for code that is not asynchronous."""

from __future__ import annotations

from pathlib import Path

import pytest

from serve.engines.blocking import open_engine
from serve.engines.protocol import Completion, GenerateRequest, PromptTooLong

PARIS = "What is the capital of France? Answer in one word."
STORY = "Write a long story about a lighthouse."


def test_the_blocking_engine_answers_in_order_and_tells_as_it_goes(served_model, ask) -> None:
    requests = [ask(PARIS), ask(STORY, max_tokens=5), ask(PARIS), ask(STORY, max_tokens=3)]
    told: dict[int, Completion] = {}
    with open_engine(served_model, threads=1, slots=2, context_length=256) as engine:
        pid = engine._engine._child.process.pid
        answers = engine.generate_many(requests, on_done=told.__setitem__)
        assert answers == [told[index] for index in range(4)]
        assert [answer.tokens for answer in answers][1::2] == [5, 3]
        assert answers[0] == engine.generate(requests[0])
        with pytest.raises(PromptTooLong):
            engine.generate_many([requests[0], GenerateRequest((1,) * 256, 1)])
    assert not Path(f"/proc/{pid}").exists()
