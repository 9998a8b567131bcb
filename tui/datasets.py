"""A run's prepared data as pages of the app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.workspace.home import Workspace
from tui.theme import DARK
from tui.views import Page

if TYPE_CHECKING:
    from core.jobs.records import RunRecord

ROWS_SHOWN = 20


def dataset_page(workspace: Workspace, record: RunRecord) -> Page:
    """What the run was trained on. Raises NotThere when it has prepared nothing yet."""
    from core.jobs.outputs import dataset_folder
    from tui.inspecting import report_text
    from tunery.files import read_json

    report = read_json(dataset_folder(workspace, record) / "report.json")
    return Page(f"Data of {record.name}", report_text(report), table=True)


def tokens_page(workspace: Workspace, record: RunRecord) -> Page:
    """The first training rows as tokens, coloured by what is trained."""
    from rich.text import Text

    from core.jobs.datasets import base_of_run
    from core.jobs.outputs import dataset_folder
    from tui.tokens import Palette, in_colour, legend, read_streams

    palette = Palette(
        trained=DARK.success or "",
        context=DARK.variables["text-muted"],
        control=DARK.accent or "",
        padding=DARK.variables["border"],
        about=f"bold {DARK.foreground}",
    )
    dataset = dataset_folder(workspace, record)
    streams = read_streams(dataset, base_of_run(workspace, record), "train", 1, ROWS_SHOWN)
    more = f"`tunery data tokens {record.id} --row {len(streams) + 1}` goes on."
    text = Text.assemble(legend(palette), "\n\n", in_colour(streams, palette), "\n\n", more)
    return Page(f"Tokens of {record.name}", text)
