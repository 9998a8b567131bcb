"""`tunery data generate` and `review`: rows from documents, and a person's word on each."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tui.cli.arguments import AsJson, RecipeFile, recipe_path
from tui.cli.output import data, print_json, say
from tui.cli.progress import progress_shown
from tunery.errors import BadInput, Interrupted, Stopped

if TYPE_CHECKING:
    from core.data.generate.propose import GenerateReport
    from core.data.generate.request import Endpoint, LocalModel


def generate(
    recipe: RecipeFile,
    docs: Annotated[Path, typer.Option(metavar="FOLDER", help="Markdown, text and HTML to ask about.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="JSON lines; rows are appended.")],
    endpoint: Annotated[
        str | None,
        typer.Option(metavar="URL", help="An OpenAI-compatible API that answers; none by default."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The endpoint's model, or one of this machine; the recipe's base.")
    ] = None,
    key_from: Annotated[
        str | None, typer.Option(metavar="NAME", help="Environment variable that holds the endpoint's key.")
    ] = None,
    questions: Annotated[int, typer.Option(min=1, max=20, help="Questions a passage.")] = 2,
    kind: Annotated[
        list[str] | None, typer.Option(help="fact, permission, procedure or situation; may be repeated.")
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="Such as German; the passage's own without it.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Which questions are asked of which passage.")] = 7,
    as_json: AsJson = False,
) -> None:
    from core.data.generate.asking import open_ask
    from core.data.generate.prompts import KINDS
    from core.data.generate.propose import generate as propose
    from core.data.generate.request import GenerateRequest
    from core.data.questions import questions_of
    from core.jobs.earlier import with_earlier_data
    from core.recipe.load import load_recipe
    from core.workspace.home import find_workspace

    file, workspace = recipe_path(recipe), find_workspace()
    loaded = with_earlier_data(load_recipe(file), workspace)
    answerer = _answerer(endpoint, model, key_from, loaded.model.base, file.parent)
    request = GenerateRequest(
        docs, out, answerer, questions, tuple(kind or KINDS), seed=seed, language=language
    )
    with (
        _stopped_by_ctrl_c() as stop,
        progress_shown() as emit,
        open_ask(answerer, workspace, Path.cwd()) as ask,
    ):
        report = propose(request, ask, emit, stop, existing=questions_of(loaded.data, file.parent))
    print_json(report.to_json()) if as_json else data(_told(report))
    if report.proposed:
        say(f"`tunery data review {out}` shows them one by one; only accepted rows are trained on.")


def review(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `tunery data generate` wrote.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the rows and their states, and ask nothing.")
    ] = False,
) -> None:
    from dataclasses import asdict

    from core.data.generate.review import open_review
    from tui.cli.reviewing import decide

    with open_review(file) as rows:
        if as_json:
            print_json({"counts": rows.counts(), "rows": [asdict(row) for row in rows.rows]})
            return
        decide(rows)
        counts = rows.counts()
    data(", ".join(f"{count} {state}" for state, count in counts.items()))


def _answerer(
    endpoint: str | None, model: str | None, key_from: str | None, base: str, recipe_folder: Path
) -> Endpoint | LocalModel:
    from core.data.generate.request import Endpoint, LocalModel

    if endpoint is not None:
        if model is None:
            raise BadInput(f"--endpoint {endpoint} needs --model, the name it knows its model by")
        return Endpoint(endpoint, model, key_from)
    if key_from is not None:
        raise BadInput("--key-from belongs to --endpoint; a model of this machine needs no key")
    if model is not None:
        return LocalModel(model)
    # Paths of a recipe start at its folder.
    inside = recipe_folder / Path(base).expanduser()
    return LocalModel(str(inside) if inside.exists() else base)


def _told(report: GenerateReport) -> str:
    aside = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in report.aside.items())
    lines = [
        f"{report.documents} documents, {report.passages} passages, {report.asked} questions asked now"
        + (f", {report.before} before" if report.before else ""),
        f"{report.proposed} rows proposed in {report.out}",
    ]
    if aside:
        lines.append(f"kept aside in {report.ledger}: {aside}")
    lines += [f"skipped {skipped.path}: {skipped.reason}" for skipped in report.skipped]
    return "\n".join(lines)


@contextmanager
def _stopped_by_ctrl_c() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed; the row at work is finished, and the second one ends at once."""
    asked = threading.Event()

    def ask(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        asked.set()

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    except (Stopped, KeyboardInterrupt):
        raise Interrupted("stopped; the same command goes on where it was") from None
    finally:
        signal.signal(signal.SIGINT, before)
