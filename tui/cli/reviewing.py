"""Proposed rows, one by one, each with the passage it came from, until a person has decided."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING

from tui.cli.output import say
from tunery.errors import BadInput
from tunery.shown import harmless

if TYPE_CHECKING:
    from core.data.generate.review import Proposal, Review

WIDTH = 76
KEYS = "a accepts, r rejects, e edits, s leaves it for later, q ends"


def decide(rows: Review) -> None:
    """Ask about every row that waits. What was decided is on the disk at once, so leaving loses nothing."""
    waiting = rows.counts().get("proposed", 0)
    if not waiting:
        say("No row waits for a decision.")
        return
    say(f"{waiting} rows wait. {KEYS}.")
    for row in rows.waiting():
        if not _settled(rows, row):
            return


def _settled(rows: Review, row: Proposal) -> bool:
    """False when the person wants to leave."""
    _show(row)
    while True:
        word = _asked("accept, reject, edit, skip, quit? ")
        if word is None or word in ("q", "quit"):
            return False
        if word in ("a", "accept"):
            rows.accept(row.line)
            return True
        if word in ("r", "reject"):
            rows.reject(row.line)
            return True
        if word in ("s", "skip"):
            return True
        if word in ("e", "edit"):
            row = _edited(rows, row)
            _show(row)
        else:
            say(f"{KEYS}.")


def _show(row: Proposal) -> None:
    where = f"{row.document}, {row.heading}" if row.heading else row.document
    say(f"\n{harmless(where)}, letters {row.start:,} to {row.end:,}, {row.support:.0%} supported")
    for label, text in (("passage", row.passage), ("question", row.question), ("answer", row.answer)):
        say(
            textwrap.fill(
                " ".join(harmless(text).split()),
                WIDTH,
                initial_indent=f"{label:>8}  ",
                subsequent_indent=" " * 10,
            )
        )
    for doubt in row.doubts:
        say(f"       !  {harmless(doubt)}")


def _edited(rows: Review, row: Proposal) -> Proposal:
    question = _asked("question: ", row.question)
    answer = _asked("answer: ", row.answer)
    try:
        return rows.edit(row.line, question=question or row.question, answer=answer or row.answer)
    except BadInput as error:
        say(f"tunery: {error}")
        return row


def _asked(prompt: str, given: str = "") -> str | None:
    """A line that a person types, `given` to begin with; None when there are no more."""
    interactive = sys.stdin.isatty()
    if interactive:
        import readline

        readline.set_startup_hook(lambda: readline.insert_text(given))
    try:
        return input(prompt if interactive else "").strip()
    except EOFError:
        return None
    finally:
        if interactive:
            readline.set_startup_hook(None)
