"""`tunery chat`: a conversation, line by line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from tui.cli.arguments import AsJson, RunRef, named_run
from tui.cli.output import print_json_line, say
from tunery.errors import TuneryError
from tunery.shown import harmless

if TYPE_CHECKING:
    from serve.chat import Message
    from tui.talk import Manner, Talker

HELP = "/reset forgets the conversation, /quit leaves; Ctrl-C ends an answer."


def chat(
    run: RunRef = None,
    system: Annotated[
        str | None, typer.Option(help="A system message that begins every conversation.")
    ] = None,
    temperature: Annotated[
        float, typer.Option(min=0, max=2, help="0 always takes the likeliest word.")
    ] = 0.0,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Longest answer in tokens.")] = None,
    as_json: AsJson = False,
) -> None:
    from core.workspace.home import find_workspace
    from serve.chat import Message
    from tui.talk import Manner, open_talker

    workspace = find_workspace()
    record = named_run(workspace, run)
    start = [Message("system", system)] if system else []
    with open_talker(workspace, record) as talker:
        if sys.stdin.isatty():
            say(f"{talker.about}. {HELP}")
        _converse(talker, start, Manner(temperature, max_tokens), as_json)


def _converse(talker: Talker, start: list[Message], manner: Manner, as_json: bool) -> None:
    """Questions from stdin until it ends or /quit."""
    from serve.chat import Message

    messages = list(start)
    for line in _questions():
        if line == "/quit":
            return
        if line == "/reset":
            messages = list(start)
            say("Forgotten.")
            continue
        if line.startswith("/"):
            say(HELP)
            continue
        asked = Message("user", line)
        try:
            answer = _answer(talker, [*messages, asked], manner, as_json)
        except TuneryError as error:
            if not sys.stdin.isatty():
                raise
            say(f"tunery: {error}")
            continue
        messages += [asked, Message("assistant", answer)]


def _questions() -> Iterator[str]:
    """Lines of stdin that are not empty, with a prompt where a person types them."""
    interactive = sys.stdin.isatty()
    if interactive:
        import readline  # noqa: F401  (gives input() history and line editing)
    interrupted = False
    while True:
        try:
            line = input("> " if interactive else "").strip()
        except EOFError:
            return
        except KeyboardInterrupt:
            # The first one may have been meant for an answer that had just ended.
            if interrupted or not interactive:
                raise typer.Exit(130) from None
            interrupted = True
            say("\n/quit or another Ctrl-C leaves.")
            continue
        interrupted = False
        if line:
            yield line


def _answer(talker: Talker, messages: list[Message], manner: Manner, as_json: bool) -> str:
    """Stream one answer to stdout; Ctrl-C ends it and keeps what was said."""
    pieces: list[str] = []
    stream = talker.answer(messages, manner)
    try:
        for piece in stream:
            pieces.append(piece)
            if not as_json:
                sys.stdout.write(harmless(piece))
                sys.stdout.flush()
    except KeyboardInterrupt:
        if not sys.stdin.isatty():
            raise typer.Exit(130) from None
    finally:
        getattr(stream, "close", lambda: None)()
    answer = "".join(pieces)
    if as_json:
        print_json_line({"question": messages[-1].content, "answer": answer})
    else:
        sys.stdout.write("\n")
        sys.stdout.flush()
    return answer
