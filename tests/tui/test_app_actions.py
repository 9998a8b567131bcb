"""Every action of the app, by its key, against a facade without core."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.command import CommandPalette
from textual.pilot import Pilot
from textual.widgets import Button, Static

from tui.app import TuneryApp
from tui.screens.confirm import ConfirmScreen
from tui.screens.home import HomeScreen
from tui.screens.page import PageScreen
from tui.screens.run import RunScreen
from tui.views import RunView
from tui.widgets.live_chart import LiveChart
from tui.widgets.next_card import NextCard
from tui.widgets.run_log import RunLog
from tui.widgets.run_table import RunTable
from tunery.errors import BadInput


@asynccontextmanager
async def running(
    facade: Any, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[tuple[TuneryApp, Pilot[None]]]:
    """The app on Home, after its first look at the workspace."""
    app = TuneryApp(facade)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.home.view is not None or facade.problem)
        yield app, pilot


async def until(pilot: Pilot[None], true: Callable[[], Any]) -> None:
    """Let the app work until `true`; the test's timeout is the limit."""
    while not true():
        await pilot.pause(0.02)
    await pilot.pause()


async def on(pilot: Pilot[None], app: TuneryApp, screen: type) -> None:
    await until(pilot, lambda: isinstance(app.screen, screen) and app.screen.is_mounted)


async def open_newest(pilot: Pilot[None], app: TuneryApp) -> RunScreen:
    await pilot.press("o")
    await on(pilot, app, RunScreen)
    screen = app.screen
    assert isinstance(screen, RunScreen)
    await until(pilot, lambda: screen.run is not None)
    return screen


def notes(app: TuneryApp) -> str:
    return " ".join(note.message for note in app._notifications)


async def test_enter_on_an_empty_workspace_writes_a_recipe_and_then_offers_to_run_it(empty: Any) -> None:
    async with running(empty) as (app, pilot):
        assert app.focused is app.screen.query_one(NextCard)
        await pilot.press("enter")
        await on(pilot, app, PageScreen)
        await pilot.press("escape")
        await on(pilot, app, HomeScreen)
        await until(pilot, lambda: app.home.view.next.action == "run")
        await pilot.press("enter")
        await on(pilot, app, RunScreen)
        assert empty.asked == [("init",), ("run", "recipe.yaml")]


@pytest.mark.parametrize(
    ("key", "asked"),
    [
        ("c", ("check", "recipe.yaml")),
        ("a", ("inspect", "recipe.yaml")),
        ("d", ("doctor",)),
        ("w", ("servers",)),
    ],
)
async def test_a_key_on_home_asks_and_shows_a_page(done: Any, key: str, asked: tuple[str, ...]) -> None:
    async with running(done) as (app, pilot):
        await pilot.press(key)
        await on(pilot, app, PageScreen)
        assert asked in done.asked


async def test_i_writes_a_recipe_where_there_is_none(empty: Any) -> None:
    async with running(empty) as (app, pilot):
        await pilot.press("i")
        await on(pilot, app, PageScreen)
        assert empty.asked == [("init",)]


async def test_n_runs_the_recipe_and_opens_the_run(done: Any) -> None:
    async with running(done) as (app, pilot):
        await pilot.press("n")
        await on(pilot, app, RunScreen)
        assert done.asked == [("run", "recipe.yaml")]
        assert app.screen.run_id == "new-0001"


async def test_enter_in_the_table_opens_that_run(live: Any) -> None:
    async with running(live) as (app, pilot):
        await pilot.press("tab", "down", "enter")
        await on(pilot, app, RunScreen)
        assert app.screen.run_id == "fennjoch-02bc"


async def test_stopping_asks_first_and_enter_means_no(live: Any) -> None:
    async with running(live) as (app, pilot):
        await pilot.press("s")
        await on(pilot, app, ConfirmScreen)
        assert app.focused is app.screen.query_one("#cancel", Button)
        await pilot.press("enter")
        await on(pilot, app, HomeScreen)
        assert live.asked == []


async def test_stopping_is_confirmed_with_another_key(live: Any) -> None:
    async with running(live) as (app, pilot):
        await open_newest(pilot, app)
        await pilot.press("s")
        await on(pilot, app, ConfirmScreen)
        await pilot.press("s")
        assert isinstance(app.screen, ConfirmScreen)
        await pilot.press("y")
        await until(pilot, lambda: live.asked)
        assert live.asked == [("stop", "fennjoch-7f3a")]


async def test_k_asks_for_a_checkpoint(live: Any) -> None:
    async with running(live) as (app, pilot):
        await open_newest(pilot, app)
        await pilot.press("k")
        await until(pilot, lambda: live.asked)
        assert live.asked == [("checkpoint", "fennjoch-7f3a")]


@pytest.mark.parametrize("opened", [True, False])
async def test_r_resumes_a_failed_run(failed: Any, opened: bool) -> None:
    async with running(failed) as (app, pilot):
        if opened:
            await open_newest(pilot, app)
        await pilot.press("r")
        await until(pilot, lambda: failed.asked)
        assert failed.asked == [("resume", "fennjoch-99ab")]


@pytest.mark.parametrize(
    ("key", "asked"), [("e", "report"), ("p", "parity"), ("a", "dataset"), ("u", "tokens")]
)
async def test_what_a_run_proved_is_shown_on_a_page(done: Any, key: str, asked: str) -> None:
    async with running(done) as (app, pilot):
        await open_newest(pilot, app)
        await pilot.press(key)
        await on(pilot, app, PageScreen)
        assert done.asked == [(asked, "fennjoch-02bc")]
        await pilot.press("escape")
        await on(pilot, app, RunScreen)


async def test_e_on_home_shows_the_report_of_the_run_under_the_cursor(done: Any) -> None:
    async with running(done) as (app, pilot):
        await pilot.press("e")
        await on(pilot, app, PageScreen)
        assert done.asked == [("report", "fennjoch-02bc")]


async def test_a_server_is_started_listed_and_stopped(done: Any) -> None:
    async with running(done) as (app, pilot):
        await open_newest(pilot, app)
        await pilot.press("v")
        await until(pilot, lambda: "http://127.0.0.1:8080" in notes(app))
        await pilot.press("w")
        await on(pilot, app, PageScreen)
        assert "http://127.0.0.1:8080" in app.screen.page.text
        await pilot.press("escape")
        await pilot.press("x")
        await on(pilot, app, ConfirmScreen)
        await pilot.press("y")
        await until(pilot, lambda: not done.started_servers)
        assert ("stop_server", "fennjoch-02bc") in done.asked


async def test_t_lends_the_terminal_to_the_chat(done: Any) -> None:
    async with running(done) as (app, pilot):
        await open_newest(pilot, app)
        await pilot.press("t")
        await until(pilot, lambda: "tunery chat fennjoch-02bc" in notes(app))
        assert done.asked == [("chat", "fennjoch-02bc")]


async def test_l_gives_the_whole_screen_to_the_log_and_takes_it_back(live: Any) -> None:
    async with running(live) as (app, pilot):
        screen = await open_newest(pilot, app)
        before = screen.query_one(RunLog).size.height
        await pilot.press("l")
        await pilot.pause()
        assert screen.query_one(RunLog).size.height > before + 8
        await pilot.press("l")
        await pilot.pause()
        assert screen.query_one(RunLog).size.height == before


async def test_m_draws_the_next_number(live: Any) -> None:
    async with running(live) as (app, pilot):
        screen = await open_newest(pilot, app)
        titles = []
        for _ in range(5):
            titles.append(str(screen.query_one(LiveChart).border_title))
            await pilot.press("m")
            await pilot.pause()
        assert titles == ["Loss", "Learning rate", "Gradient norm", "Tokens a second", "Loss"]


async def test_help_lists_every_action(empty: Any) -> None:
    from tui.actions import ACTIONS

    async with running(empty) as (app, pilot):
        await pilot.press("question_mark")
        await on(pilot, app, PageScreen)
        for action in ACTIONS:
            assert action.title in app.screen.page.text


async def test_1_goes_home_from_anywhere(done: Any) -> None:
    async with running(done) as (app, pilot):
        await open_newest(pilot, app)
        await pilot.press("e")
        await on(pilot, app, PageScreen)
        await pilot.press("1")
        await on(pilot, app, HomeScreen)


async def test_escape_on_home_stays_there(done: Any) -> None:
    async with running(done) as (app, pilot):
        await pilot.press("escape")
        assert isinstance(app.screen, HomeScreen)


@pytest.mark.parametrize("key", ["colon", "ctrl+p"])
async def test_the_palette_offers_what_can_be_done_here(done: Any, key: str) -> None:
    async with running(done) as (app, pilot):
        await open_newest(pilot, app)
        offered = {command.title for command in app.get_system_commands(app.screen)}
        assert {"Report", "Serve", "Quit"} <= offered
        assert "Stop" not in offered
        await pilot.press(key)
        await on(pilot, app, CommandPalette)


async def test_q_leaves_and_says_what_goes_on_and_how_to_come_back(live: Any) -> None:
    async with running(live) as (app, pilot):
        await pilot.press("q")
    assert app.return_code == 0
    assert app.farewell == [
        "fennjoch-7f3a goes on (train[0]).",
        "Come back with `tunery`, or `tunery attach fennjoch-7f3a`.",
    ]
    assert live.asked == []


async def test_ctrl_c_says_how_to_leave_and_does_not(live: Any) -> None:
    async with running(live) as (app, pilot):
        await pilot.press("ctrl+c")
        await until(pilot, lambda: "Press q" in notes(app))
        assert app.is_running


async def test_an_error_is_a_sentence_and_the_app_goes_on(done: Any) -> None:
    async with running(done) as (app, pilot):
        done.problem = BadInput("port 8080 is in use; set serve.port to another one")
        await pilot.press("e")
        await until(pilot, lambda: "port 8080 is in use" in notes(app))
        done.problem = None
        await pilot.press("n")
        await on(pilot, app, RunScreen)


async def test_a_workspace_that_cannot_be_read_is_said_on_home(empty: Any) -> None:
    empty.problem = BadInput("the workspace cannot be read: Permission denied; set TUNERY_HOME")
    async with running(empty) as (app, pilot):
        about = app.screen.query_one("#next-about", Static)
        await until(pilot, lambda: "Permission denied" in str(about.render()))
        empty.problem = None
        app.look_now()
        await until(pilot, lambda: app.home.view is not None)


async def test_a_run_that_ends_while_watched_changes_its_keys(live: Any, done: Any) -> None:
    async with running(live) as (app, pilot):
        screen = await open_newest(pilot, app)
        assert screen.check_action("stop", ()) and not screen.check_action("report", ())
        live.events["fennjoch-7f3a"].append(
            {"time": 1_780_000_400.0, "kind": "done", "step": None, "exit_code": 0}
        )
        live.change("fennjoch-7f3a", state="done", steps=done.runs[0].steps)
        await until(pilot, lambda: screen.run.state == "done")
        assert not screen.check_action("stop", ()) and screen.check_action("report", ())
        assert any(line.endswith(" done") for line in screen.query_one(RunLog).lines)


async def test_a_run_that_vanishes_is_said(done: Any) -> None:
    async with running(done) as (app, pilot):
        app.open_run("gone")
        await until(pilot, lambda: "there is no run gone" in notes(app))


async def test_ten_thousand_runs_stand_in_the_table(empty: Any) -> None:
    empty.runs = [RunView(f"run-{n:05}", "many", "done", None, 1.0, 1.0, 2.0) for n in range(10_000)]
    async with running(empty) as (app, pilot):
        table = app.screen.query_one(RunTable)
        await until(pilot, lambda: table.row_count == 10_000)
        await pilot.press("tab", "ctrl+end", "enter")
        await on(pilot, app, RunScreen)
        assert app.screen.run_id == "run-09999"


@pytest.mark.parametrize("size", [(20, 5), (60, 16), (200, 60)])
async def test_both_screens_survive_any_size(live: Any, size: tuple[int, int]) -> None:
    async with running(live, size) as (app, pilot):
        await open_newest(pilot, app)
        await pilot.resize_terminal(80, 24)
        await pilot.resize_terminal(*size)
        await pilot.pause()


async def test_a_mistake_of_ours_in_an_action_is_told_and_the_app_goes_on(
    done: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNERY_HOME", str(tmp_path))
    async with running(done) as (app, pilot):
        done.problem = ZeroDivisionError("a mistake")
        await pilot.press("e")
        await on(pilot, app, PageScreen)
        assert "something is wrong inside Tunery" in app.screen.page.text
        done.problem = None
        await pilot.press("escape", "n")
        await on(pilot, app, RunScreen)
    assert len(list((tmp_path / "crashes").iterdir())) == 1
