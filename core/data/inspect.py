"""Look at what the recipe's data section names, without a model: light enough for `tunery check`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from core.data.gather import find_wanted
from core.data.look import look_at, report_of
from core.data.report import DataReport
from core.data.scratch import scratch_folder
from core.recipe.data import DataSection
from core.workspace.events import Emit, Event
from tunery.files import need_room


def _nobody(_: Event) -> None:
    """What happens meanwhile is of no interest."""


def inspect_sources(section: DataSection, recipe_folder: Path, emit: Emit = _nobody) -> DataReport:
    """Every file of the section: rows, usable rows, findings, sizes of the splits; no tokens.

    Raises DataError where a file as a whole cannot be used, and NoRoom where the system's
    place for temporary files has no room for the rows. Bad rows, and rows that cannot be
    divided, are findings; ask the report to `refuse_bad_rows`. No model is loaded.
    """
    wanted = find_wanted(section, recipe_folder)
    need_room(Path(tempfile.gettempdir()), 2 * sum(item.bytes for item in wanted), "looking at the data")
    with (
        scratch_folder() as scratch,
        look_at(section, wanted, scratch, emit, lambda: False) as look,
    ):
        return report_of(look)
