"""Look at what the recipe's data section names, without a model: light enough for `tunery check`."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from core.data.gather import find_wanted
from core.data.look import look_at, report_of
from core.data.report import DataReport
from core.recipe.data import DataSection
from core.workspace.events import Emit, Event


def _nobody(_: Event) -> None:
    """What happens meanwhile is of no interest."""


def inspect_sources(section: DataSection, recipe_folder: Path, emit: Emit = _nobody) -> DataReport:
    """Every file of the section: rows, usable rows, findings, sizes of the splits; no tokens.

    Raises DataError where a file as a whole cannot be used, or a split would be empty.
    Bad rows are findings; ask the report to `refuse_bad_rows`. No model is loaded.
    """
    wanted = find_wanted(section, recipe_folder)
    with (
        TemporaryDirectory(prefix="tunery-look-") as scratch,
        look_at(section, wanted, Path(scratch), emit, lambda: False) as look,
    ):
        return report_of(look)
