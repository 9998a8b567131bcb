"""What every engine does alike. A new engine joins by a factory in `ENGINES`."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio

from serve.engines.blocking import make_engine
from serve.engines.llama_cpp import LlamaCppEngine
from serve.engines.protocol import Engine, EngineDown, GenerateRequest, PromptTooLong
from serve.model_folder import OpenModel
from tunery.errors import BadInput

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENGINES: dict[str, Callable[[OpenModel, Path], Engine]] = {
    "llama_cpp": lambda model, log: make_engine(model, log=log, threads=1, slots=2),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=ENGINES)
async def engine(request, served_model: OpenModel, tmp_path_factory) -> AsyncIterator[Engine]:
    started = ENGINES[request.param](served_model, tmp_path_factory.mktemp("log") / "engine.log")
    await started.start()
    yield started
    await started.close()


async def streamed(engine: Engine, request: GenerateRequest) -> tuple[str, str | None, int]:
    text, chunk = "", None
    async with aclosing(engine.generate(request)) as chunks:
        async for chunk in chunks:
            text += chunk.text
    assert chunk is not None
    return text, chunk.finish_reason, chunk.tokens


PARIS = "What is the capital of France? Answer in one word."
STORY = "Write a long story about a lighthouse."
EMOJI = "Say hi with an emoji like 🎉 and nothing else"


async def test_a_started_engine_is_ready(engine: Engine) -> None:
    assert engine.ready()


async def test_it_answers_and_stops_by_itself_before_the_stop_token(engine, ask, served_model) -> None:
    answer = await engine.complete(ask(PARIS))
    assert "Paris" in answer.text
    assert answer.finish_reason == "stop"
    assert served_model.chat.decode(answer.ids, skip_special=False) == answer.text
    assert answer.tokens == len(answer.ids) + 1


async def test_length_ends_an_answer_at_exactly_that_many_tokens(engine, ask) -> None:
    answer = await engine.complete(ask(STORY, max_tokens=7))
    assert (len(answer.ids), answer.tokens, answer.finish_reason) == (7, 7, "length")


async def test_greedy_is_the_same_every_time_and_a_seed_repeats_a_draw(engine, ask) -> None:
    assert await engine.complete(ask(STORY)) == await engine.complete(ask(STORY))
    drawn = [
        await engine.complete(ask(STORY, temperature=1.0, seed=seed)) for seed in (5, 5, 6, 2**32 - 1, -1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(
    ("text", "max_tokens", "stop"),
    [
        (PARIS, 24, ()),
        (STORY, 9, ()),
        (PARIS, 24, ("is Paris",)),
        (PARIS, 24, (".X",)),
        (PARIS, 6, (" Paris is",)),
        (EMOJI, 8, ()),
        (EMOJI, 4, ()),
        (EMOJI, 3, ("🎉🎉",)),
        (STORY, 1, ()),
    ],
)
async def test_a_stream_is_the_whole_answer_in_pieces(engine, ask, text, max_tokens, stop) -> None:
    request = ask(text, max_tokens, stop=stop)
    whole = await engine.complete(request)
    assert await streamed(engine, request) == (whole.text, whole.finish_reason, whole.tokens)
    assert "\ufffd" not in whole.text


async def test_no_piece_of_a_stream_holds_half_a_character(engine, ask) -> None:
    async with aclosing(engine.generate(ask(EMOJI, 12))) as chunks:
        pieces = [chunk.text async for chunk in chunks]
    assert "🎉" in "".join(pieces)
    assert not any("\ufffd" in piece for piece in pieces)


async def test_a_stop_string_is_not_part_of_the_text(engine, ask) -> None:
    answer = await engine.complete(ask(PARIS, stop=("Paris", "unused")))
    assert answer.finish_reason == "stop"
    assert "Par" not in answer.text


async def test_a_prompt_that_fills_the_context_is_refused_and_one_shorter_is_not(engine) -> None:
    full = engine.context_length
    with pytest.raises(PromptTooLong, match=str(full)):
        await engine.complete(GenerateRequest((100,) * full, 5))
    answer = await engine.complete(GenerateRequest((100,) * (full - 1), 5))
    assert (answer.finish_reason, answer.tokens) == ("length", 1)


async def test_each_conversation_has_the_whole_context_to_itself(engine) -> None:
    request = GenerateRequest((100,) * (engine.context_length - 8), 8)
    answers = await asyncio.gather(engine.complete(request), engine.complete(request))
    assert [answer.tokens for answer in answers] == [8, 8]


@pytest.mark.parametrize(
    "request_", [GenerateRequest((10**6,), 1), GenerateRequest((100,), 1, stop_ids=(77,))]
)
async def test_ids_that_the_model_does_not_have_are_refused(engine, request_) -> None:
    with pytest.raises(BadInput):
        await engine.complete(request_)


async def test_closing_a_stream_or_cancelling_gives_the_slot_back(engine, ask) -> None:
    long = ask(STORY, max_tokens=450)
    for _ in range(3):  # more often than there are slots
        async with aclosing(engine.generate(long)) as chunks:
            await anext(chunks)
        task = asyncio.create_task(engine.complete(long))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    answer = await asyncio.wait_for(engine.complete(ask(PARIS)), 60)
    assert "Paris" in answer.text


async def test_many_at_once_are_all_answered(engine, ask) -> None:
    answers = await asyncio.gather(*(engine.complete(ask(PARIS)) for _ in range(6)))
    assert all("Paris" in answer.text for answer in answers)


async def test_a_crash_fails_what_is_in_flight_with_a_sentence_and_the_engine_comes_back(engine, ask) -> None:
    assert isinstance(engine, LlamaCppEngine)
    child = engine._child.process
    whole = asyncio.create_task(engine.complete(ask(STORY, max_tokens=450)))
    stream = engine.generate(ask(STORY, max_tokens=450))
    await anext(stream)
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(EngineDown, match="being restarted"):
        async for _ in stream:
            pass
    with pytest.raises(EngineDown, match="being restarted"):
        await whole
    await child.wait()
    assert not engine.ready()
    with pytest.raises(EngineDown, match="being restarted"):
        await engine.complete(ask(PARIS))
    async with asyncio.timeout(60):
        while not engine.ready():
            await asyncio.sleep(0.05)
    assert "Paris" in (await engine.complete(ask(PARIS))).text


async def test_the_socket_is_private_and_the_key_is_in_no_process_list(engine) -> None:
    assert isinstance(engine, LlamaCppEngine)
    child = engine._child
    assert child._folder.stat().st_mode & 0o777 == 0o700
    key = child.client.headers["authorization"].removeprefix("Bearer ")
    proc = Path(f"/proc/{child.process.pid}")
    assert key not in (proc / "cmdline").read_text() + (proc / "environ").read_text()
    assert "OMP_WAIT_POLICY=PASSIVE" in (proc / "environ").read_text()
    refused = await child.client.get("/props", headers={"authorization": "Bearer wrong"})
    assert refused.status_code == 401
    assert (await child.client.get("/")).status_code == 404  # no web page


async def test_weights_that_cannot_be_loaded_are_a_sentence_not_a_wait(served_model, tmp_path) -> None:
    from serve.engines.llama_process import LlamaSettings

    broken = tmp_path / "model.gguf"
    broken.write_bytes(b"GGUF" + bytes(1000))
    engine = LlamaCppEngine(LlamaSettings(broken, (2,), 64, 1, 1), tmp_path / "engine.log")
    with pytest.raises(EngineDown, match="cannot load"):
        await engine.start()
    await engine.close()


async def test_weights_that_end_elsewhere_than_the_model_says_do_not_start(served_model, tmp_path) -> None:
    from serve.engines.llama_process import LlamaSettings

    settings = LlamaSettings(served_model.weights, (2, 504), 64, 1, 1)
    engine = LlamaCppEngine(settings, tmp_path / "engine.log")
    with pytest.raises(EngineDown, match="does not end at token 504"):
        await engine.start()
    await engine.close()


async def test_safetensors_have_no_engine(tiny_model_folder) -> None:
    from serve.model_folder import open_model

    with pytest.raises(BadInput, match="export it to gguf"):
        make_engine(open_model(tiny_model_folder), log=Path("unused"))
