"""One look at all the data of a recipe: read, checked, cleaned, divided, balanced; no tokens yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.data.account import decided_steps, kept, reading_steps
from core.data.balance import balance_training, replay_rows
from core.data.decide import Decided, decide, leave_out_leaks
from core.data.examine import EXAMPLES
from core.data.findings import class_findings, finding, findings_of
from core.data.gather import FileFacts, Gathering, Wanted
from core.data.leaks import leave_out_passages
from core.data.ledger import Ledger
from core.data.report import DataReport, Example, Finding, SourceReport, StepCount, histogram, stopped
from core.data.split import divide
from core.models.dataset import SPLITS
from core.recipe.data import DataSection, DataSource, Replay
from core.workspace.events import Emit
from tunery.errors import DataError
from tunery.hashes import sha256_file


@dataclass
class Look:
    """What was found, and the ledger that still holds the rows.

    `divided` says that there is a split, `cannot_divide` why there is none.
    """

    section: DataSection
    ledger: Ledger
    facts: list[FileFacts]
    decided: list[Decided] = field(default_factory=list)
    steps: list[StepCount] = field(default_factory=list)
    general: list[Finding] = field(default_factory=list)
    divided: bool = False
    cannot_divide: DataError | None = None

    @property
    def bad(self) -> int:
        return sum(sum(facts.bad.values()) for facts in self.facts)

    @property
    def refused(self) -> bool:
        """Whether there are bad rows, and the recipe does not say to drop them."""
        return self.bad > 0 and self.section.clean.bad_rows == "refuse"


@contextmanager
def look_at(
    section: DataSection,
    wanted: list[Wanted],
    scratch: Path,
    emit: Emit,
    stop_requested: Callable[[], bool],
    controls: tuple[str, ...] | None = None,
) -> Iterator[Look]:
    """Yield what is known of the files `wanted`; `scratch` is an empty folder with room for the rows.

    `controls` are the control tokens of the model's template, where a model is there.
    Raises DataError where a file as a whole cannot be used, Stopped when asked to stop.
    """
    ledger = Ledger(scratch / "ledger.db")
    try:
        near = _near_duplicates(section, scratch)
        gathering = Gathering(section, wanted, ledger, near, emit, stop_requested)
        look = Look(section, ledger, gathering.gather(controls))
        look.steps += reading_steps(look.facts)
        kinds = tuple(facts.kind for facts in look.facts)
        look.decided = decide(section.clean, ledger, near, kinds, EXAMPLES)
        look.steps += decided_steps(look.decided, ledger)
        if not look.refused:
            try:
                _divide(look, stop_requested)
            except DataError as error:
                look.cannot_divide = error
        yield look
    finally:
        ledger.close()


def report_of(look: Look) -> DataReport:
    """What `tunery data inspect` prints, tokens left out."""
    ledger = look.ledger
    sources = [_source_report(number, facts, look) for number, facts in enumerate(look.facts)]
    general = [*class_findings(ledger), *look.general]
    if look.cannot_divide is not None:
        general.append(finding("no_split", len(look.facts), (Example(0, str(look.cannot_divide)),)))
    if general:
        # They are about all sources together, and are told with the first.
        sources[0] = replace(sources[0], findings=(*sources[0].findings, *general))
    characters = ledger.ask(
        "SELECT characters, count(*) FROM rows WHERE fate IS NULL GROUP BY characters ORDER BY characters"
    )
    bad = [facts.first_bad for facts in look.facts if facts.first_bad is not None]
    return DataReport(
        sources=tuple(sources),
        bad=look.bad,
        first_bad=bad[0] if bad else None,
        refused=look.refused,
        splits=_split_sizes(look),
        steps=tuple(look.steps),
        dropped=_dropped(look),
        tasks=_groups("task", ledger),
        labels=_groups("label", ledger),
        lengths=histogram(list(characters), "characters"),
    )


def _near_duplicates(section: DataSection, scratch: Path) -> Any:
    """Where sketches go; None where nothing asks for near-duplicates."""
    if section.clean.near_duplicates is None and not section.clean.leakage.enabled:
        return None
    try:
        from core.data.similar.near import NearDuplicates
    except ModuleNotFoundError as error:
        raise DataError(
            f"{error.name} is needed to look at data; install the `train` extra (pip install 'tunery[train]')"
        ) from None
    return NearDuplicates(scratch / "near")


def _divide(look: Look, stop_requested: Callable[[], bool]) -> None:
    """Test rows kept honest, rows divided, training rows weighed."""
    section, ledger = look.section, look.ledger

    def stop_if_asked() -> None:
        if stop_requested():
            raise stopped()

    before = kept(ledger)
    leaks, shown = leave_out_leaks(ledger, EXAMPLES) if section.clean.leakage.enabled else (0, ())
    divide(section.split, ledger)
    if section.clean.leakage.enabled:
        _leave_out_passages(look, before, leaks, shown, stop_if_asked)
    _balance(look)
    if section.replay is not None:
        _replay(look, section.replay, stop_if_asked)
    if not ledger.one("SELECT count(*) FROM walk WHERE split = 'train' AND copies > 0"):
        raise DataError(
            "no row is left to train on: all are held out, or hold passages of held-out rows; "
            "add rows, or lower data.split"
        )
    look.divided = True


def _leave_out_passages(
    look: Look, before: int, leaks: int, same: tuple[tuple[int, int], ...], stop_if_asked: Callable[[], None]
) -> None:
    passages = leave_out_passages(look.section.clean.leakage, look.ledger, "pool", stop_if_asked, EXAMPLES)
    about = "training rows that are nearly held-out rows"
    if passages.compared < passages.held_out:
        about += f"; passages of {passages.compared:,} of {passages.held_out:,} held-out rows were looked for"
    leaks += passages.count
    look.steps.append(StepCount("leakage", before, before - leaks, 0, about))
    if not leaks:
        return
    nearly = [Example(line, f"{_file(look, source)}: nearly a row of the test file") for source, line in same]
    held = [_leak_example(leak.number, leak.held_out, leak.share, look) for leak in passages.examples]
    look.general.append(finding("leak", leaks, tuple((nearly + held)[:EXAMPLES])))


def _balance(look: Look) -> None:
    section, ledger = look.section, look.ledger
    weights = {number: source.weight for number, source in enumerate(section.sources)}
    origins = [facts.wanted.origin for facts in look.facts]
    training = int(ledger.one("SELECT count(*) FROM walk WHERE split = 'train'"))
    balanced = balance_training(section.balance, weights, origins, ledger)
    if balanced.unseen or balanced.repeated:
        about = f"training never sees {balanced.unseen:,} rows and sees {balanced.repeated:,} more than once"
        look.steps.append(StepCount("balance", training, balanced.seen, 0, about))


def _replay(look: Look, replay: Replay, stop_if_asked: Callable[[], None]) -> None:
    before = int(look.ledger.one("SELECT sum(copies) FROM walk WHERE split = 'train'"))
    wanted, added = replay_rows(replay, look.ledger)
    if look.section.clean.leakage.enabled:
        added -= leave_out_passages(
            look.section.clean.leakage, look.ledger, "replay", stop_if_asked, EXAMPLES
        ).count
    about = "rows of an earlier run" if added >= wanted else f"of {wanted:,} wanted rows of an earlier run"
    look.steps.append(StepCount("replay", before, before + added, 0, about))


def _file(look: Look, source: int) -> str:
    return look.facts[source].wanted.file.shown


def _leak_example(number: int, held_out: int, share: float, look: Look) -> Example:
    def place(row: int) -> tuple[str, int]:
        source, line = next(iter(list(look.ledger.ask("SELECT source, line FROM rows WHERE n = ?", row))))
        return _file(look, source), line

    (file, line), (other, other_line) = place(number), place(held_out)
    return Example(line, f"{file}: holds {share:.0%} of the passages of {other} line {other_line}")


def _source_report(number: int, facts: FileFacts, look: Look) -> SourceReport:
    file, source = facts.wanted.file, facts.wanted.source
    known = file.path.is_file()
    return SourceReport(
        path=file.shown,
        format=facts.layout.name if facts.layout else "unknown",
        file_format=file.format,
        detected=source.format == "auto",
        rows=facts.read,
        usable=facts.usable,
        findings=findings_of(number, facts, look.decided, look.facts, look.section.clean.bad_rows == "drop"),
        task=source.task if isinstance(source, DataSource) else None,
        sha256=sha256_file(file.path) if known else None,
        bytes=file.path.stat().st_size if known else None,
    )


def _split_sizes(look: Look) -> dict[str, dict[str, Any]]:
    if not look.divided:
        return {}
    sizes: dict[str, int] = dict(look.ledger.ask("SELECT split, sum(copies) FROM walk GROUP BY split"))
    return {name: {"rows": sizes.get(name, 0)} for name in SPLITS}


def _dropped(look: Look) -> dict[str, int]:
    by_fate = look.ledger.ask("SELECT fate, count(*) FROM rows WHERE fate IS NOT NULL GROUP BY fate")
    by_reason = look.ledger.ask("SELECT reason, count(*) FROM left_out GROUP BY reason")
    found: Counter[str] = Counter()
    for reason, count in (*by_fate, *by_reason):
        found[reason] += count
    return dict(sorted(found.items()))


def _groups(column: str, ledger: Ledger) -> dict[str, int]:
    return dict(
        ledger.ask(
            f"SELECT {column}, count(*) FROM rows WHERE {column} IS NOT NULL AND fate IS NULL "  # noqa: S608
            f"GROUP BY {column} ORDER BY count(*) DESC, {column} LIMIT 200"
        )
    )
