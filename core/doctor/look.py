"""Everything the doctor looks at, in the order of the report."""

from __future__ import annotations

from collections.abc import Iterator

from core.doctor.finding import Finding
from core.doctor.libraries import look_at_libraries
from core.doctor.machine import look_at_machine
from core.workspace.home import Workspace


def look(workspace: Workspace) -> list[Finding]:
    """All findings. Changes nothing, and loads neither torch nor transformers."""
    return [*look_at_machine(workspace), *look_at_libraries(), *_look_at_jobs(workspace)]


def _look_at_jobs(workspace: Workspace) -> Iterator[Finding]:
    from core.jobs.records import list_runs

    records = list_runs(workspace)
    lost = [record.id for record in records if record.state == "lost"]
    live = [record.id for record in records if record.state in ("starting", "running", "stopping")]
    if lost:
        yield Finding(
            "jobs",
            "warning",
            f"lost without an end: {', '.join(lost)}",
            f"`tunery resume {lost[0]}` goes on from the last checkpoint",
        )
    else:
        yield Finding("jobs", "ok", f"{len(records)} runs, {len(live)} at work, none lost")
