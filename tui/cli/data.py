"""`tunery data inspect`, `tokens` and `diff`: what a model would learn from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tui.cli.arguments import AsJson, Overrides, named_run, recipe_path
from tui.cli.output import data, print_json, print_json_line, say
from tui.cli.progress import progress_shown
from tunery.errors import BadInput, NotThere

if TYPE_CHECKING:
    from core.jobs.datasets import NamedDataset
    from core.jobs.prepared import PreparedData

ROWS_SHOWN = 3
What = Annotated[
    str,
    typer.Argument(
        metavar="PATH", help="A file, folder or glob of rows, a recipe, or a run with its prepared data."
    ),
]
Dataset = Annotated[
    str, typer.Argument(help="A run, a recipe (its newest run), or the folder of a dataset artifact.")
]


def inspect(
    what: What,
    tokens: Annotated[
        bool, typer.Option("--tokens", help="Prepare a recipe's data as training gets it, and count tokens.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report as one self-contained page.")
    ] = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    from tui.inspecting import report_text

    report = _report(what, overrides or [], tokens)
    if html is not None:
        from core.data.page import report_page
        from tunery.files import write_text_whole

        write_text_whole(html, report_page(report, what))
        say(f"{html} holds the report; it needs no other file.")
    if as_json:
        print_json(report)
    elif html is None:
        data(report_text(report))


def tokens(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe, or a run.")],
    row: Annotated[int | None, typer.Option(min=1, help="One row of the split, counted from 1.")] = None,
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "train",
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    from tui.cli.colours import print_streams
    from tui.tokens import read_streams

    found = _prepared(recipe, overrides or [])
    first = row or 1
    streams = read_streams(found.dataset, found.base, split, first, 1 if row else ROWS_SHOWN)
    if as_json:
        for stream in streams:
            print_json_line(stream.to_json())
        return
    print_streams(streams)
    if streams and not row and streams[0].of > len(streams):
        say(f"{streams[0].of:,} rows in all; `--row {len(streams) + 1}` shows the next.")


def diff(a: Dataset, b: Dataset, as_json: AsJson = False) -> None:
    from core.data.diff import diff_datasets
    from tui.comparing import diff_text

    left, right = _dataset(a), _dataset(b)
    found = diff_datasets(left.folder, right.folder, left.settings, right.settings)
    if as_json:
        print_json({"a": left.name, "b": right.name, **found.to_json()})
    else:
        data(diff_text(found, left.name, right.name))


def _report(what: str, overrides: list[str], tokens: bool) -> dict[str, Any]:
    """The report of a recipe, of a run, or of a path alone, as JSON."""
    from core.data.inspect import inspect_sources
    from core.jobs.prepared import inspect_recipe
    from core.recipe.bare import section_of_path
    from core.recipe.load import load_recipe
    from core.workspace.home import find_workspace

    what = what.removeprefix("run:")
    file = recipe_path(Path(what))
    if _is_recipe(file) and (file.exists() or not Path(what).is_dir()):
        if tokens:
            return _read_report(_prepared(what, overrides).dataset)
        with progress_shown() as emit:
            recipe = load_recipe(file, overrides)
            return inspect_recipe(recipe, file.parent, find_workspace(), emit).to_json()
    if _names_rows(what):
        if tokens:
            raise BadInput("--tokens needs a recipe, which says for which model; `tunery init` writes one")
        with progress_shown() as emit:
            section = section_of_path(what, overrides)
            return _of_one_path(what, inspect_sources(section, Path.cwd(), emit=emit).to_json())
    if overrides:
        raise BadInput(f"--set changes nothing in {what}, whose data is prepared already; leave it out")
    return _read_report(_dataset(what).folder)


def _of_one_path(path: str, report: dict[str, Any]) -> dict[str, Any]:
    """The report with what scripts read of a single path at its top (DESIGN: contracts for scripts)."""
    formats = {source["format"] for source in report["sources"]}
    findings = [finding for source in report["sources"] for finding in source["findings"]]
    layout = formats.pop() if len(formats) == 1 else "several"
    return {"path": path, "format": layout, "findings": findings, **report}


def _prepared(what: str, overrides: list[str]) -> PreparedData:
    """The data of a recipe as training would get it now, or that of a run as it got it."""
    from core.jobs.datasets import base_of_run, dataset_of_run
    from core.jobs.prepared import PreparedData, prepare_dataset
    from core.recipe.load import load_recipe
    from core.workspace.home import find_workspace

    workspace, file = find_workspace(), recipe_path(Path(what))
    if _is_recipe(file):
        with progress_shown() as emit:
            return prepare_dataset(load_recipe(file, overrides), file.parent, workspace, emit)
    if overrides:
        raise BadInput(f"--set changes nothing in {what}, whose data is prepared already; leave it out")
    record = named_run(workspace, what)
    return PreparedData(dataset_of_run(workspace, record).folder, base_of_run(workspace, record))


def _dataset(ref: str) -> NamedDataset:
    from core.jobs.datasets import dataset_in, dataset_of_run
    from core.workspace.home import find_workspace

    workspace = find_workspace()
    if (Path(ref) / "artifact.json").is_file():
        return dataset_in(Path(ref))
    return dataset_of_run(workspace, named_run(workspace, ref))


def _read_report(dataset: Path) -> dict[str, Any]:
    from tunery.files import read_json

    report: dict[str, Any] = read_json(dataset / "report.json")
    return report


def _is_recipe(file: Path) -> bool:
    return file.suffix in (".yaml", ".yml")


def _names_rows(what: str) -> bool:
    """Whether `what` stands for files of rows, and not for a run or a dataset artifact."""
    from core.workspace.home import find_workspace

    path = Path(what).expanduser()
    if path.exists():
        return not (path / "artifact.json").is_file()
    try:
        named_run(find_workspace(), what)
    except NotThere:
        return True
    return False
