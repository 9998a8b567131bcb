"""The README's pictures: the real app on a real run, written to docs/pictures/*.svg.

    python docs/pictures.py [RUN]

The run is looked for in this process's workspace; the newest one that is done without a
name. Look at each picture before you commit it.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot

from core.jobs.records import find_run, list_runs
from core.workspace.home import find_workspace
from tui.app import TuneryApp
from tui.facade import CoreFacade
from tui.screens.page import PageScreen
from tui.screens.run import RunScreen
from tunery.errors import TuneryError

PICTURES = Path(__file__).resolve().parent / "pictures"
FONTS = "'Fira Code', 'DejaVu Sans Mono', Menlo, Consolas, monospace"
# A picture that is shown on a web page may load nothing: fonts come from the reader's machine.
_FONT_FACES = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
_FONT_FAMILY = re.compile(r"font-family: Fira Code[^;]*;")


def main(arguments: list[str]) -> None:
    workspace = find_workspace()
    if arguments:
        run_id = find_run(workspace, arguments[0]).id
    else:
        done = [record.id for record in list_runs(workspace) if record.state == "done"]
        if not done:
            raise SystemExit("there is no run that is done; `make quickstart` makes one")
        run_id = done[0]
    PICTURES.mkdir(exist_ok=True)
    # The app shows paths from the current folder: none of this machine's in a picture.
    os.environ["TUNERY_HOME"] = str(workspace.root)
    os.chdir(workspace.root.parent)
    asyncio.run(_take("home", (100, 24), None, ()))
    asyncio.run(_take("run", (100, 32), run_id, ()))
    asyncio.run(_take("run-80x24", (80, 24), run_id, ()))
    asyncio.run(_take("report", (100, 32), run_id, ("e",)))
    asyncio.run(_take("help", (100, 36), None, ("question_mark",)))


async def _take(name: str, size: tuple[int, int], run_id: str | None, keys: tuple[str, ...]) -> None:
    """One picture: open `run_id` where it is given, press `keys`, and save what stands there."""
    app = TuneryApp(CoreFacade())
    async with app.run_test(size=size) as pilot:
        await _until(pilot, lambda: app.home.view is not None)
        if run_id:
            app.open_run(run_id)
            await _until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.story.events > 0)
            await pilot.pause(1.5)
        for key in keys:
            await pilot.press(key)
            await _until(pilot, lambda: isinstance(app.screen, PageScreen))
        await pilot.pause(1.0)
        path = PICTURES / f"{name}.svg"
        path.write_text(self_contained(app.export_screenshot(title="tunery")), encoding="utf-8")
        print(path.relative_to(PICTURES.parents[1]))


async def _until(pilot: Pilot[None], true: Callable[[], bool]) -> None:
    for _ in range(600):
        if true():
            await pilot.pause()
            return
        await pilot.pause(0.05)
    raise SystemExit("the app did not show what was wanted within 30 seconds")


def self_contained(svg: str) -> str:
    """The picture without fonts from the network."""
    return _FONT_FAMILY.sub(f"font-family: {FONTS};", _FONT_FACES.sub("", svg))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except TuneryError as error:
        raise SystemExit(str(error)) from None
