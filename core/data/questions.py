"""What the rows of a data section ask, so that it is not asked again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from core.data.layouts import LAYOUTS, Layout, detect_layout, to_example
from core.data.reading.files import SourceFile, find_files
from core.data.reading.rows import read_rows
from core.data.rows import Problem
from core.models.examples import prompt_of
from core.recipe.data import DataSection


def questions_of(section: DataSection, recipe_folder: Path) -> Iterator[str]:
    """The last user turn of every row that can be read; the others are the prepare step's to refuse."""
    taken: set[str] = set()
    for source in section.sources:
        fixed = None if source.format == "auto" else LAYOUTS[source.format]
        columns = {str(ours): theirs for ours, theirs in source.columns.items()}
        for file in find_files(source.path, recipe_folder, taken):
            yield from _asked(file, fixed, columns)


def _asked(file: SourceFile, layout: Layout | None, columns: Mapping[str, str]) -> Iterator[str]:
    for row in read_rows(file):
        if isinstance(row, Problem):
            continue
        layout = layout or detect_layout(row, columns)
        example = to_example(row, layout, columns)
        if not isinstance(example, Problem):
            turns = [turn.content for turn in prompt_of(example) if turn.role == "user"]
            yield from turns[-1:]
