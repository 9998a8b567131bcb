"""The line in front of the engine is bounded and fair."""

from __future__ import annotations

import asyncio

import pytest

from serve.line import Busy, Line


async def test_beyond_slots_and_waiting_places_one_is_sent_away_with_a_time() -> None:
    line = Line(slots=1, max_waiting=1)
    release = asyncio.Event()
    order: list[str] = []

    async def visit(name: str) -> None:
        async with line.place():
            order.append(name)
            await release.wait()

    first, second = asyncio.create_task(visit("first")), asyncio.create_task(visit("second"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(Busy, match="try again") as caught:
        await visit("third")
    assert caught.value.retry_after >= 1
    assert order == ["first"]
    release.set()
    await asyncio.gather(first, second)
    assert order == ["first", "second"]
    line.check()


async def test_one_who_gives_up_waiting_leaves_the_place_free() -> None:
    line = Line(slots=1, max_waiting=1)
    async with line.place():
        waiting = asyncio.create_task(_visit(line))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        line.check()
    await _visit(line)


async def test_an_error_inside_gives_the_slot_back() -> None:
    line = Line(slots=1, max_waiting=0)
    with pytest.raises(RuntimeError):
        async with line.place():
            raise RuntimeError
    await _visit(line)


async def _visit(line: Line) -> None:
    async with line.place():
        pass
