"""Coloured text on stdout where a terminal shows it, brackets where none does."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from tui.cli.output import data
from tui.tokens import LEGEND, Palette, Stream, in_brackets, in_colour, legend

# The sixteen colours that every terminal has, as its owner set them.
PALETTE = Palette("green", "default", "magenta", "bright_black", "bold")


def wants_colour() -> bool:
    """NO_COLOR and FORCE_COLOR decide where they are set; a terminal otherwise."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or sys.stdout.isatty()


def print_streams(streams: Sequence[Stream]) -> None:
    """Rows of tokens, one after the other."""
    if not wants_colour():
        data(LEGEND)
        data(f"\n{in_brackets(streams)}")
        return
    from rich.console import Console

    console = Console(force_terminal=True, color_system="standard", highlight=False, soft_wrap=True)
    console.print(legend(PALETTE), "", in_colour(streams, PALETTE), sep="\n")
