"""The command line. One module per group of commands, loaded when its command is called.

Data goes to stdout and talk to stderr. Errors that a person can understand are one
sentence and an exit code; anything else leaves a crash file and one sentence.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup

from tui.actions import GROUPS, commands, verbs
from tunery.errors import TuneryError

EPILOGUE = (
    "Exit codes: 0 done, 1 failed, 2 bad input, 3 the gate says no, 4 integrity or parity, 130 interrupted. "
    "Data goes to stdout, talk to stderr. A RUN is an id, the beginning of one, a recipe's name "
    "(its newest run) or nothing (the newest of all). State is kept in ./.tunery, or in $TUNERY_HOME."
)


class LazyGroup(TyperGroup):
    """Commands from the actions table; a command's module is imported when it is called.

    `group` is the word before these commands, "data" for `tunery data inspect`.
    """

    group: str = ""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 (Typer's signature)
        return list(verbs(self.group))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        if not self.group and cmd_name in GROUPS:
            return _group(cmd_name)
        action = commands().get(f"{self.group} {cmd_name}".strip())
        if action is None or action.code is None:
            return None
        module, _, function = action.code.partition(":")
        app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        app.command(cmd_name, help=action.about)(getattr(import_module(module), function))
        return cast(TyperCommand, typer.main.get_command(app))

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(verbs(self.group).items()))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        # Typer looks for the nearest name in this mapping, which lazy commands leave empty.
        self.commands = cast(Any, dict.fromkeys(verbs(self.group)))
        return super().resolve_command(ctx, args)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    try:
        _root()(args=arguments, prog_name="tunery")
    except TuneryError as error:
        sys.exit(_explain(error))
    except Exception as error:  # whatever it is, a person gets a sentence and the file to send us
        from tui.crash import write_crash

        print(f"tunery: {write_crash(error)}", file=sys.stderr)  # noqa: T201
        sys.exit(1)


def _root() -> Any:
    app = typer.Typer(
        cls=LazyGroup,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        epilog=EPILOGUE,
        help="Fine-tune, prove, package and serve your own language model, from one terminal. "
        "Without a command, the terminal app opens.",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_without_command)
    return typer.main.get_command(app)


def _group(name: str) -> LazyGroup:
    """The verbs behind one word; the word alone prints them."""
    app = typer.Typer(
        cls=LazyGroup,
        name=name,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        help=GROUPS[name],
    )
    app.callback(invoke_without_command=True)(_print_verbs)
    group = cast(LazyGroup, typer.main.get_command(app))
    group.group = name
    return group


def _print_verbs(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _without_command(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        from tunery.version import __version__

        typer.echo(f"tunery {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        from tui.cli.open_app import open_app

        open_app()


def _explain(error: TuneryError) -> int:
    print(f"tunery: {error}", file=sys.stderr)  # noqa: T201
    return error.exit_code
