"""The one exception tree.

Each message is one sentence that says what is wrong and what to do. The command
line prints it and exits with `exit_code`; a traceback never reaches a user.
"""

from __future__ import annotations

from typing import ClassVar


class TuneryError(Exception):
    """Something went wrong that a person can understand; exit code 1."""

    exit_code: ClassVar[int] = 1


class BadInput(TuneryError):
    """A recipe, a file, an argument or the machine cannot be used as it is."""

    exit_code = 2


class RecipeError(BadInput):
    """The recipe is wrong; the message begins with file, line and key."""


class DataError(BadInput):
    """The data is wrong; the message begins with the file and, if known, the line."""


class NotThere(BadInput):
    """Something that was named (a run, a model, a file) does not exist."""


class NoRoom(BadInput):
    """The disk cannot hold what a step is about to write."""


class GateRefused(TuneryError):
    """The gate or the drift alarm says no."""

    exit_code = 3


class BrokenIntegrity(TuneryError):
    """A file is not what its record says, or a parity check failed."""

    exit_code = 4


class Interrupted(TuneryError):
    """A person pressed Ctrl-C."""

    exit_code = 130


class Stopped(TuneryError):
    """A step was asked to stop, has kept what it needs to go on, and ended."""
