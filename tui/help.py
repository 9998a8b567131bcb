"""The help page, written from the actions table."""

from __future__ import annotations

from tui.actions import ACTIONS, Action, Scope, actions_in, key_label
from tui.views import Page

_HEADINGS: tuple[tuple[Scope, str], ...] = (("anywhere", "Everywhere"), ("home", "Home"), ("run", "A run"))


def help_page() -> Page:
    """Every action with its key and its twin on the command line."""
    width = max(len(action.twin or "") for action in ACTIONS)
    parts = [
        f"{heading}\n" + "\n".join(_line(action, width) for action in actions_in(scope))
        for scope, heading in _HEADINGS
    ]
    elsewhere = "\n".join(_line(action, width) for action in ACTIONS if not action.scopes)
    parts.append(f"On the command line\n{elsewhere}")
    closing = "Tab and the arrow keys move, Enter chooses. Jobs and servers go on when you leave."
    return Page("Help", "\n\n".join([*parts, closing]))


def _line(action: Action, width: int) -> str:
    keys = " ".join(map(key_label, action.keys)) or "-"
    return f"  {keys:6}{action.title:15}{action.twin or '-':{width}}"
