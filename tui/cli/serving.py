"""`tunery serve` and `servers`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tui.cli.arguments import AsJson, RunRef, named_run
from tui.cli.output import data, print_json, say, table

if TYPE_CHECKING:
    from core.jobs.records import RunRecord
    from core.workspace.home import Workspace
    from serve.servers import ServerRecord


def serve(
    run: RunRef = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; the recipe's by default.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="TCP port; 0 takes a free one.")] = None,
    export: Annotated[
        str | None, typer.Option(metavar="QUANT", help="Which export, such as q8_0; the recipe's by default.")
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Return when it is ready; it goes on.")] = False,
    stop: Annotated[
        bool, typer.Option("--stop", help="Stop the server of RUN, or the one with this id.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    from core.workspace.home import find_workspace

    workspace = find_workspace()
    if stop:
        _stop(workspace, run, as_json)
        return
    asked = {"host": host, "port": port, "export": export}
    changes = {key: value for key, value in asked.items() if value is not None}
    record = named_run(workspace, run)
    if detach:
        _start(workspace, record, changes, as_json)
    else:
        _serve_here(workspace, record, changes)


def servers(as_json: AsJson = False) -> None:
    from core.workspace.home import find_workspace
    from serve.servers import list_servers
    from tui.words import first_line, when

    workspace = find_workspace()
    records = list(reversed(list_servers(workspace.servers)))
    if as_json:
        print_json([asdict(record) for record in records])
        return
    if not records:
        say(f"No server was started in {workspace.root}; `tunery serve RUN --detach` starts one.")
        return
    rows = [
        (
            record.id,
            record.name,
            record.state,
            record.url or "-",
            when(record.started),
            first_line(record.error, 60),
        )
        for record in records
    ]
    data(table(("ID", "MODEL", "STATE", "URL", "STARTED", "ERROR"), rows))


def _start(workspace: Workspace, record: RunRecord, changes: dict[str, Any], as_json: bool) -> None:
    from tui.serving import start_for_run

    server = start_for_run(workspace, record, **changes)
    if as_json:
        print_json(asdict(server))
        return
    data(str(server.url))
    say(f"{server.name} answers at {server.url}; `tunery serve --stop {server.id}` stops it.")


def _serve_here(workspace: Workspace, record: RunRecord, changes: dict[str, Any]) -> None:
    """Serve in this terminal until Ctrl-C."""
    import secrets

    from core.jobs.outputs import export_to_serve, serve_section_of
    from serve.server import run_server

    section = serve_section_of(record)
    section = type(section).model_validate({**section.model_dump(), **changes})
    model = export_to_serve(workspace, record, section.export)
    folder = workspace.servers / f"{record.name}-{secrets.token_hex(3)}"
    folder.mkdir(parents=True)

    def ready(url: str) -> None:
        say(f"{record.name} ({model.quant}) answers at {url}. Ctrl-C stops it.")
        data(url)

    say(f"Loading {record.name} ({model.quant}) …")
    try:
        run_server(model.folder, section, folder, record.name, on_ready=ready)
    except KeyboardInterrupt:
        say("Stopped; what was asked has been answered.")
        raise typer.Exit(130) from None


def _stop(workspace: Workspace, ref: str | None, as_json: bool) -> None:
    from tui.serving import stop_by_name

    stopped: list[ServerRecord] = stop_by_name(workspace, ref)
    if as_json:
        print_json([asdict(server) for server in stopped])
    elif stopped:
        data("\n".join(server.id for server in stopped))
    else:
        say("No server is running for it.")
