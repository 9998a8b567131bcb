"""A run's prepared data as pages of the app."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.workspace.home import Workspace
from tui.theme import DARK
from tui.tokens import Palette, Stream
from tui.views import Page

if TYPE_CHECKING:
    from core.jobs.records import RunRecord

ROWS_SHOWN = 20
_PALETTE = Palette(
    trained=DARK.success or "",
    context=DARK.variables["text-muted"],
    control=DARK.accent or "",
    padding="#7b889e italic",
    about=f"bold {DARK.foreground}",
)


def dataset_page(workspace: Workspace, record: RunRecord) -> Page:
    """What the run was trained on. Raises NotThere when it has prepared nothing yet."""
    from core.jobs.outputs import dataset_folder
    from tui.inspecting import report_text
    from tunery.files import read_json

    report = read_json(dataset_folder(workspace, record) / "report.json")
    return Page(f"Data of {record.name}", report_text(report), table=True)


def tokens_page(workspace: Workspace, record: RunRecord) -> Page:
    """The first training rows as tokens, coloured by what is trained."""
    from core.jobs.datasets import base_of_run
    from core.jobs.outputs import dataset_folder
    from tui.tokens import read_streams

    dataset = dataset_folder(workspace, record)
    streams = read_streams(dataset, base_of_run(workspace, record), "train", 1, ROWS_SHOWN)
    return streams_page(record.name, record.id, streams)


def streams_page(name: str, run_id: str, streams: Sequence[Stream]) -> Page:
    """Rows of a run in the colours of the app, and how to see the others."""
    from rich.text import Text

    from tui.tokens import in_colour, legend

    rest = streams[0].of - len(streams)
    more = f"\n\n{rest:,} more: `tunery data tokens {run_id} --row {len(streams) + 1}`" if rest else ""
    return Page(
        f"Tokens of {name}", Text.assemble(legend(_PALETTE), "\n\n", in_colour(streams, _PALETTE), more)
    )
