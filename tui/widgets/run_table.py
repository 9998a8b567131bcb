"""The table of runs."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.message import Message
from textual.widgets import DataTable

from tui.theme import STATE_COLOURS
from tui.views import RunView
from tui.words import STATE_SYMBOLS, first_line, percent, took, when

COLUMNS = ("STATE", "RECIPE", "STEP", "DONE", "STARTED", "TOOK", "RUN")


class RunTable(DataTable[Text]):
    """Runs, newest first. Enter opens the one under the cursor."""

    class Opened(Message):
        """The person wants to see run `run_id`."""

        def __init__(self, run_id: str) -> None:
            super().__init__()
            self.run_id = run_id

    def __init__(self) -> None:
        super().__init__(cursor_type="row", zebra_stripes=False, cell_padding=1)
        self.runs: tuple[RunView, ...] = ()

    def on_mount(self) -> None:
        for name in COLUMNS:
            self.add_column(name, key=name)

    def show(self, runs: Sequence[RunView]) -> None:
        """Put `runs` into the table; only cells that changed are drawn again."""
        if [run.id for run in runs] == [run.id for run in self.runs]:
            self._update_cells(runs)
        else:
            self._fill(runs)
        self.runs = tuple(runs)

    @property
    def selected(self) -> RunView | None:
        """The run under the cursor."""
        return self.runs[self.cursor_row] if 0 <= self.cursor_row < len(self.runs) else None

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        event.stop()
        if event.row_key.value:
            self.post_message(self.Opened(event.row_key.value))

    def _fill(self, runs: Sequence[RunView]) -> None:
        kept = self.selected
        self.clear()
        for run in runs:
            self.add_row(*self._cells(run), key=run.id)
        ids = [run.id for run in runs]
        if kept and kept.id in ids:
            self.move_cursor(row=ids.index(kept.id))

    def _update_cells(self, runs: Sequence[RunView]) -> None:
        for before, run in zip(self.runs, runs, strict=True):
            if before == run and not run.live:
                continue
            for column, cell in zip(COLUMNS, self._cells(run), strict=True):
                if self.get_cell(run.id, column) != cell:
                    self.update_cell(run.id, column, cell, update_width=True)

    def _cells(self, run: RunView) -> tuple[Text, ...]:
        colour = self.app.theme_variables.get(STATE_COLOURS.get(run.state, "$foreground")[1:], "")
        return (
            Text(f"{STATE_SYMBOLS.get(run.state, '·')} {run.state}", style=colour),
            Text(first_line(run.name, 24)),
            Text(run.step or "-"),
            Text(percent(run.progress) if run.live else "", justify="right"),
            Text(when(run.started)),
            Text(took(run.started, run.ended), justify="right"),
            Text(run.id),
        )
