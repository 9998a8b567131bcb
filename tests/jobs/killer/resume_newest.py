"""Resume the newest run, as a command would."""

from core.jobs.control import resume
from core.jobs.records import find_run
from core.workspace.home import find_workspace

if __name__ == "__main__":
    workspace = find_workspace()
    resume(workspace, find_run(workspace))
