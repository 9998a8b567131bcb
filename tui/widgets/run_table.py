"""The table of runs."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.message import Message
from textual.widgets import DataTable

from tui.theme import STATE_COLOURS
from tui.views import RunView
from tui.words import STATE_SYMBOLS, first_line, percent, took, when

COLUMNS = ("STATE", "RECIPE", "STEP", "DONE", "STARTED", "TOOK")
# The id is long and mostly says name and time again; it is shown where there is room.
WIDE_COLUMNS = (*COLUMNS, "RUN")
ROOM_FOR_ID = 110


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
        self._shown_columns: tuple[str, ...] = ()

    def on_mount(self) -> None:
        self._choose_columns()

    def on_resize(self) -> None:
        self._choose_columns()

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

    def _choose_columns(self) -> None:
        wanted = WIDE_COLUMNS if self.app.size.width >= ROOM_FOR_ID else COLUMNS
        if wanted == self._shown_columns:
            return
        kept = self.selected
        self._shown_columns = wanted
        self.clear(columns=True)
        for name in wanted:
            self.add_column(name, key=name)
        self._add_rows(self.runs, kept)

    def _fill(self, runs: Sequence[RunView]) -> None:
        kept = self.selected
        self.clear()
        self._add_rows(runs, kept)

    def _add_rows(self, runs: Sequence[RunView], kept: RunView | None) -> None:
        for run in runs:
            self.add_row(*self._cells(run), key=run.id)
        ids = [run.id for run in runs]
        if kept and kept.id in ids:
            self.move_cursor(row=ids.index(kept.id))

    def _update_cells(self, runs: Sequence[RunView]) -> None:
        for before, run in zip(self.runs, runs, strict=True):
            if before == run and not run.live:
                continue
            for column, cell in zip(self._shown_columns, self._cells(run), strict=True):
                if self.get_cell(run.id, column) != cell:
                    self.update_cell(run.id, column, cell, update_width=True)

    def _cells(self, run: RunView) -> tuple[Text, ...]:
        colour = self.app.theme_variables.get(STATE_COLOURS.get(run.state, "$foreground")[1:], "")
        cells = (
            Text(f"{STATE_SYMBOLS.get(run.state, '·')} {run.state}", style=colour),
            Text(first_line(run.name, 24)),
            Text(run.step or "-"),
            Text(percent(run.progress) if run.live else "", justify="right"),
            Text(when(run.started)),
            Text(took(run.started, run.ended), justify="right"),
            Text(run.id),
        )
        return cells[: len(self._shown_columns)]
