"""Servers of runs, for both faces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.workspace.home import Workspace
from tui.views import ServerView
from tunery.errors import BadInput

if TYPE_CHECKING:
    from core.jobs.records import RunRecord
    from serve.servers import ServerRecord


def running_servers(workspace: Workspace) -> tuple[ServerView, ...]:
    """The servers that live, newest first."""
    from serve.servers import list_servers

    return tuple(view_of(record) for record in reversed(list_servers(workspace.servers)) if record.alive)


def start_for_run(workspace: Workspace, record: RunRecord, **changes: Any) -> ServerRecord:
    """Start a detached server for a run's export and wait until it is ready.

    `changes` replace keys of the recipe's serve section. Without any, the server that
    runs for it already is returned, if there is one.
    """
    from core.jobs.outputs import export_to_serve, serve_section_of
    from serve.servers import start_server

    running = server_of_run(workspace, record)
    if running and not changes:
        return running
    section = serve_section_of(record)
    section = type(section).model_validate({**section.model_dump(), **changes})
    export = export_to_serve(workspace, record, section.export)
    return start_server(workspace.servers, export.folder, section, record.name)


def server_of_run(workspace: Workspace, record: RunRecord) -> ServerRecord | None:
    """The newest living server that serves an export of this run."""
    return next(iter(servers_of_run(workspace, record)), None)


def servers_of_run(workspace: Workspace, record: RunRecord) -> list[ServerRecord]:
    """The living servers that serve an export of this run, newest first."""
    from core.jobs.outputs import exports_of
    from serve.servers import list_servers

    folders = {str(export.folder.resolve()) for export in exports_of(workspace, record)}
    return [
        item for item in reversed(list_servers(workspace.servers)) if item.alive and item.model in folders
    ]


def stop_for_run(workspace: Workspace, record: RunRecord) -> int:
    """Stop every server of a run; how many there were."""
    from serve.servers import stop_server

    running = servers_of_run(workspace, record)
    for server in running:
        stop_server(workspace.servers, server.id)
    return len(running)


def stop_by_name(workspace: Workspace, ref: str | None) -> list[ServerRecord]:
    """Stop the servers that `ref` names: a server's id, or a run. Without it, the only one that runs."""
    from core.jobs.records import find_run
    from serve.servers import list_servers, stop_server

    living = [record for record in list_servers(workspace.servers) if record.alive]
    if ref is None:
        if len(living) > 1:
            raise BadInput(f"several servers run: {', '.join(server.id for server in living)}; say which")
        named = living
    else:
        named = [server for server in living if server.id == ref]
        named = named or servers_of_run(workspace, find_run(workspace, ref))
    return [stop_server(workspace.servers, server.id) for server in named]


def view_of(record: ServerRecord) -> ServerView:
    return ServerView(record.id, record.name, record.state, record.url or "")
