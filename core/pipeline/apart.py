"""The base model, found by a process of its own: what unpacks it talks to the terminal and holds memory.

`python -P -m core.pipeline.apart BASE WORKSPACE RECIPE_FOLDER ANSWER [TEMPLATE]` leaves
the folder, or what is wrong, in the file ANSWER.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from core.pipeline.steps import load, load_table, table_name
from core.pipeline.trouble import trouble_of
from core.workspace.home import Workspace
from tunery.errors import BadInput, BrokenIntegrity, TuneryError
from tunery.files import read_json, write_json_whole

_ERRORS = {error.exit_code: error for error in (TuneryError, BadInput, BrokenIntegrity)}


def find_base_apart(base: str, workspace: Workspace, recipe_folder: Path, template: str | None) -> Path:
    """The folder of the base model; it may take minutes. Raises what finding it raises, as a sentence."""
    with tempfile.TemporaryDirectory(prefix="tunery-base-") as folder:
        answer = Path(folder) / "answer.json"
        places = (workspace.root, recipe_folder.resolve(), answer)
        chosen = [] if template is None else [template]
        done = subprocess.run(
            [sys.executable, "-P", "-m", "core.pipeline.apart", base, *map(str, places), *chosen],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        if not answer.is_file():
            words = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise TuneryError(f"finding the base model {base} failed ({' '.join(words) or done.returncode})")
        told = read_json(answer)
    if "error" in told:
        raise _ERRORS.get(told["exit_code"], TuneryError)(told["error"])
    return Path(told["folder"])


def main(arguments: Sequence[str]) -> None:
    base, root, recipe_folder, answer, *chosen = arguments
    try:
        find_base = load(load_table(table_name()).find_base)
        template = chosen[0] if chosen else None
        folder = find_base(base, Workspace(Path(root)), Path(recipe_folder), template)
        write_json_whole(Path(answer), {"folder": str(folder)})
    except Exception as error:  # the border of the process: whatever it is becomes a sentence and a code
        write_json_whole(Path(answer), asdict(trouble_of(error, "finding the base model")))


if __name__ == "__main__":
    main(sys.argv[1:])
