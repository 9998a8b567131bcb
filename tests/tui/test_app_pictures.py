"""Snapshots of the screens: look at the SVG files in `__snapshots__` before you accept new ones."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot

from tui.app import TuneryApp
from tui.screens.page import PageScreen
from tui.screens.run import RunScreen
from tui.widgets.numbers import Numbers

SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])


async def home_is_drawn(pilot: Pilot[None]) -> None:
    app = pilot.app
    assert isinstance(app, TuneryApp)
    while app.home.view is None:
        await pilot.pause(0.02)
    await pilot.pause()


async def run_is_drawn(pilot: Pilot[None]) -> None:
    await home_is_drawn(pilot)
    await pilot.press("o")
    while not (isinstance(pilot.app.screen, RunScreen) and pilot.app.screen.run):
        await pilot.pause(0.02)
    pilot.app.screen._draw()
    while not pilot.app.screen.query_one(Numbers)._shown:
        await pilot.pause(0.02)
    await pilot.pause()


@SIZES
@pytest.mark.parametrize("state", ["empty", "live", "done", "failed"])
def test_home(snap_compare: Any, request: pytest.FixtureRequest, state: str, size: tuple[int, int]) -> None:
    app = TuneryApp(request.getfixturevalue(state))
    assert snap_compare(app, terminal_size=size, run_before=home_is_drawn)


@SIZES
@pytest.mark.parametrize("state", ["live", "done", "failed"])
def test_run(snap_compare: Any, request: pytest.FixtureRequest, state: str, size: tuple[int, int]) -> None:
    app = TuneryApp(request.getfixturevalue(state))
    assert snap_compare(app, terminal_size=size, run_before=run_is_drawn)


async def _question(pilot: Pilot[None]) -> None:
    await run_is_drawn(pilot)
    await pilot.press("s")
    await pilot.pause()


def test_the_question_before_stopping(snap_compare: Any, live: Any) -> None:
    assert snap_compare(TuneryApp(live), run_before=_question)


async def _help(pilot: Pilot[None]) -> None:
    await home_is_drawn(pilot)
    await pilot.press("question_mark")
    await pilot.pause()


def test_help(snap_compare: Any, live: Any) -> None:
    assert snap_compare(TuneryApp(live), run_before=_help)


async def _inspected(pilot: Pilot[None]) -> None:
    await home_is_drawn(pilot)
    await pilot.press("a")
    await _page_is_drawn(pilot)


def test_the_data_of_a_recipe(snap_compare: Any, live: Any) -> None:
    assert snap_compare(TuneryApp(live), run_before=_inspected)


async def _tokens(pilot: Pilot[None]) -> None:
    await run_is_drawn(pilot)
    await pilot.press("u")
    await _page_is_drawn(pilot)


def test_the_tokens_of_a_run(snap_compare: Any, done: Any) -> None:
    assert snap_compare(TuneryApp(done), run_before=_tokens)


async def _page_is_drawn(pilot: Pilot[None]) -> None:
    while not isinstance(pilot.app.screen, PageScreen):
        await pilot.pause(0.02)
    pilot.app.clear_notifications()
    await pilot.pause()
