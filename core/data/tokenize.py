"""From divided rows to the dataset's files: rendered by the crew, written split by split as they come."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.data.crew import Crew, cores
from core.data.look import Look
from core.data.rendering import Done, Rendering, RowBatch, renderer
from core.data.report import StepCount, refusal, stopped
from core.data.rows import Problem, Unit
from core.data.tally import Tally
from core.data.tokens.proof import StopProof, prove_stops
from core.data.tokens.write import TokenWriter
from core.models.dataset import SPLITS
from core.recipe.sections import PrepareSection
from core.workspace.events import Progress, Warned
from core.workspace.steps import StepContext
from serve.model_folder import open_model
from tunery.errors import DataError

BATCH_ROWS = 100
PROGRESS_SECONDS = 1.0
# Fewer rows than this are rendered here: starting processes would take longer.
ALONE_ROWS = 3000
PROVED_ROWS = 20
TASKS = 200
# What `too_long: drop` may leave out.
TOO_LONG = ("longer_than_max_length", "longer_than_context", "answer_too_long")


@dataclass
class Tokenized:
    """What was written, counted by file, split and task; `cut` rows lost their oldest turns.

    `first` is the first refused row: its file's position, its number, what is wrong.
    """

    by_source: list[Tally]
    by_split: dict[str, Tally] = field(default_factory=lambda: {name: Tally() for name in SPLITS})
    by_task: dict[str, Tally] = field(default_factory=dict)
    all: Tally = field(default_factory=Tally)
    dropped: Counter[str] = field(default_factory=Counter)
    cut: int = 0
    masked: int = 0
    refused: int = 0
    first: tuple[int, int, Problem] | None = None
    steps: list[StepCount] = field(default_factory=list)
    proof: dict[str, Any] | None = None


@dataclass(frozen=True)
class _Place:
    """One row of `walk`: its number, its file's position, its split, how often it is written."""

    number: int
    source: int
    split: str
    copies: int


def tokenize(section: PrepareSection, look: Look, ctx: StepContext, folder: Path) -> Tokenized:
    """Write tokens and rows of every split into `folder`.

    Raises DataError when a row cannot be rendered and the recipe does not say to drop it,
    when more rows than `refuse_above` were lost, or when a split is left empty.
    """
    tokenized = Tokenized([Tally() for _ in look.facts])
    count = int(look.ledger.one("SELECT count(*) FROM walk WHERE copies > 0"))
    setup = Rendering(ctx.inputs["base"], section.max_length, section.data.too_long)
    with ExitStack() as stack:
        writers = {name: _SplitWriter(folder, name, stack) for name in SPLITS}
        crew = stack.enter_context(Crew(renderer, setup, 0 if count < ALONE_ROWS else cores()))
        done, told, began = 0, 0.0, time.monotonic()
        places: list[list[_Place]] = []
        for results in crew.map(_batches(look, places)):
            if ctx.stop_requested():
                raise stopped()
            before = tokenized.refused
            for place, result in zip(places.pop(0), results, strict=True):
                _take(place, result, section, look, tokenized, writers)
                done += 1
            if tokenized.first is not None and not before:
                # The refusal comes when all rows are counted; nobody should wait for its reason.
                ctx.emit(Warned(text=str(tokenized.first[2])))
            if time.monotonic() - told > PROGRESS_SECONDS:
                told = time.monotonic()
                ctx.emit(
                    Progress(what="rows", done=done, of=count, eta=(told - began) / done * (count - done))
                )
    _refuse(section, look, tokenized)
    ctx.emit(Progress(what="rows", done=count, of=count, eta=0.0))
    _account(tokenized, count)
    tokenized.proof = _prove(ctx.inputs["base"], folder)
    return tokenized


class _SplitWriter:
    """The files of one split, written row by row."""

    def __init__(self, folder: Path, name: str, stack: ExitStack) -> None:
        """The files are closed with `stack`."""
        self._tokens = stack.enter_context(TokenWriter(folder, name))
        path = folder / f"{name}.jsonl"
        self._rows = stack.enter_context(path.open("w", encoding="utf-8", newline="\n"))

    def add(self, done: Done) -> None:
        self._tokens.add(done.rendered)
        self._rows.write(done.row + "\n")


def _batches(look: Look, places: list[list[_Place]]) -> Iterator[RowBatch]:
    """Rows in the order of `walk`; what each is, is appended to `places`."""
    units = [facts.unit for facts in look.facts]
    rows: list[tuple[str, Unit]] = []
    these: list[_Place] = []
    for number, source, split, copies, text in look.ledger.ask(
        "SELECT walk.n, rows.source, walk.split, walk.copies, texts.row FROM walk "
        "JOIN rows ON rows.n = walk.n JOIN texts ON texts.n = walk.n WHERE copies > 0 ORDER BY walk.at"
    ):
        rows.append((text, units[source]))
        these.append(_Place(number, source, split, copies))
        if len(rows) == BATCH_ROWS:
            places.append(these)
            yield RowBatch(rows)
            rows, these = [], []
    if rows:
        places.append(these)
        yield RowBatch(rows)


def _take(
    place: _Place,
    result: Done | Problem,
    section: PrepareSection,
    look: Look,
    tokenized: Tokenized,
    writers: dict[str, _SplitWriter],
) -> None:
    if isinstance(result, Problem):
        _take_problem(place, result, section, look, tokenized)
        return
    length, trained = len(result.rendered.ids), result.rendered.trained
    tokenized.cut += bool(result.rendered.cut)
    tokenized.masked += trained == 0
    task = tokenized.by_task.setdefault(_task(result.task, tokenized), Tally()) if result.task else None
    for tally in (tokenized.by_source[place.source], tokenized.by_split[place.split], tokenized.all, task):
        if tally is not None:
            tally.add(length, trained, place.copies)
    for _ in range(place.copies):
        writers[place.split].add(result)


def _task(task: str, tokenized: Tokenized) -> str:
    """The name under which a task is counted: only the first so many have one of their own."""
    known = task in tokenized.by_task or len(tokenized.by_task) < TASKS
    return task if known else "(others)"


def _take_problem(
    place: _Place, problem: Problem, section: PrepareSection, look: Look, tokenized: Tokenized
) -> None:
    data = section.data
    # Rows of another kind than the method learns from are a mistake of the recipe, not of the data.
    unwanted = data.clean.bad_rows == "drop" and problem.code != "other_method"
    drops = data.too_long != "refuse" if problem.code in TOO_LONG else unwanted
    if drops:
        tokenized.dropped[problem.code] += 1
        text = look.ledger.text(place.number)
        look.ledger.leave_out(problem.place.file, problem.place.number, problem.code, problem.what, text)
        return
    tokenized.refused += 1
    at = (place.source, problem.place.number)
    if tokenized.first is None or at < tokenized.first[:2]:
        tokenized.first = (*at, problem)


def _refuse(section: PrepareSection, look: Look, tokenized: Tokenized) -> None:
    if tokenized.first is not None:
        raise DataError(refusal(tokenized.first[2], tokenized.refused))
    pool = [facts for facts in look.facts if facts.wanted.role == "pool"]
    rows = sum(facts.read for facts in pool)
    lost = sum(sum(facts.bad.values()) for facts in pool) + sum(tokenized.dropped.values())
    share = (lost + tokenized.cut + tokenized.masked) / max(1, rows)
    if share > section.data.refuse_above:
        raise DataError(
            f"{share:.0%} of {rows} rows are bad or too long ({lost}), cut ({tokenized.cut}) or without a "
            f"trained token ({tokenized.masked}), and data.refuse_above is {section.data.refuse_above:g}; "
            "look at them with `tunery data inspect`, mend them, or raise data.refuse_above"
        )
    for name in SPLITS:
        planned = int(look.ledger.one("SELECT count(*) FROM walk WHERE split = ? AND copies > 0", name))
        if (planned or name == "train") and not tokenized.by_split[name].rows:
            raise DataError(f"no {name} row is short enough; raise train.max_length, or add shorter rows")


def _account(tokenized: Tokenized, count: int) -> None:
    dropped = sum(tokenized.dropped.values())
    if dropped or tokenized.cut:
        about = ", ".join(
            f"{number} {code.replace('_', ' ')}" for code, number in sorted(tokenized.dropped.items())
        )
        cut = f"{tokenized.cut} lost their oldest turns" if tokenized.cut else ""
        tokenized.steps.append(
            StepCount("tokens", count, count - dropped, tokenized.cut, ", ".join(filter(None, (about, cut))))
        )


def _prove(base: Path, folder: Path) -> dict[str, Any]:
    """What the first training rows show about stop tokens and padding. Raises DataError for a bad mask."""
    from itertools import islice

    from core.models.dataset import Dataset, read_rows

    model = open_model(base, verify=False)
    rows = list(islice(read_rows(folder / "train.jsonl"), PROVED_ROWS))
    tokens = Dataset.open(folder).split("train")[: len(rows)]
    proof: StopProof = prove_stops(rows, tokens, model)
    if not proof.ok:
        raise DataError(f"the answers would not be trained as they are served: {proof.problems[0]}")
    return proof.to_json()
