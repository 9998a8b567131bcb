"""One look at all the data of a recipe: read, checked, cleaned, divided, balanced; no tokens yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.data.balance import balance_training, replay_rows
from core.data.decide import Decided, decide, leave_out_leaks
from core.data.examine import EXAMPLES
from core.data.findings import class_findings, findings_of
from core.data.gather import FileFacts, Gathering, Wanted
from core.data.ledger import Ledger
from core.data.lint.findings import FINDINGS
from core.data.report import DataReport, Example, Finding, SourceReport, StepCount, histogram
from core.data.split import divide
from core.models.dataset import SPLITS
from core.recipe.data import DataSection, DataSource
from core.workspace.events import Emit
from tunery.errors import DataError, Stopped
from tunery.hashes import sha256_file


@dataclass
class Look:
    """What was found, and the ledger that still holds the rows. `divided` says that there is a split."""

    section: DataSection
    ledger: Ledger
    facts: list[FileFacts]
    decided: list[Decided] = field(default_factory=list)
    steps: list[StepCount] = field(default_factory=list)
    leaks: list[Finding] = field(default_factory=list)
    divided: bool = False

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
    Raises DataError where a file as a whole cannot be used, or a split would be empty;
    Stopped when asked to stop.
    """
    ledger = Ledger(scratch / "ledger.db")
    try:
        near = _near_duplicates(section, scratch)
        gathering = Gathering(section, wanted, ledger, near, emit, stop_requested)
        look = Look(section, ledger, gathering.gather(controls))
        _count_reading(look)
        kinds = tuple(facts.kind for facts in look.facts)
        look.decided = decide(section.clean, ledger, near, kinds, EXAMPLES)
        _count_decided(look)
        if not look.refused:
            _divide(look, stop_requested)
        yield look
    finally:
        ledger.close()


def report_of(look: Look) -> DataReport:
    """What `tunery data inspect` prints, tokens left out."""
    ledger = look.ledger
    sources = [_source_report(number, facts, look) for number, facts in enumerate(look.facts)]
    general = [*class_findings(ledger), *look.leaks]
    if general and sources:
        # They are about all sources together, and are told with the first.
        sources[0] = _with_findings(sources[0], general)
    lengths = list(
        ledger.ask(
            "SELECT characters, count(*) FROM rows WHERE fate IS NULL GROUP BY characters ORDER BY characters"
        )
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
        lengths=histogram(lengths, "characters"),
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
    from core.data.leaks import leave_out_passages

    section, ledger = look.section, look.ledger

    def stop_if_asked() -> None:
        if stop_requested():
            raise Stopped("prepare was stopped before it was done; `tunery resume` begins it again")

    leakage = section.clean.leakage
    before = _kept(ledger)
    leaks = leave_out_leaks(ledger) if leakage.enabled else 0
    divide(section.split, ledger)
    if leakage.enabled:
        passages, shown = leave_out_passages(leakage, ledger, stop_if_asked, EXAMPLES)
        leaks += passages
        look.steps.append(
            StepCount("leakage", before, before - leaks, 0, "training rows that are nearly held-out rows")
        )
        if leaks:
            examples = tuple(_leak_example(leak.number, leak.held_out, leak.share, look) for leak in shown)
            kind = FINDINGS["leak"]
            look.leaks.append(Finding("leak", kind.severity, leaks, examples, kind.fix))
    weights = {number: source.weight for number, source in enumerate(section.sources)}
    training = int(ledger.one("SELECT count(*) FROM walk WHERE split = 'train'"))
    seen = balance_training(section.balance, weights, [facts.wanted.origin for facts in look.facts], ledger)
    if seen != training:
        look.steps.append(
            StepCount("balance", training, seen, 0, "weights, groups and mixture of training rows")
        )
    if section.replay is not None:
        added = replay_rows(section.replay, ledger)
        look.steps.append(StepCount("replay", seen, seen + added, 0, f"rows of {section.replay.run}"))
    look.divided = True


def _leak_example(number: int, held_out: int, share: float, look: Look) -> Example:
    def place(row: int) -> tuple[str, int]:
        source, line = next(look.ledger.ask("SELECT source, line FROM rows WHERE n = ?", row))
        return look.facts[source].wanted.file.shown, line

    (file, line), (other, other_line) = place(number), place(held_out)
    return Example(line, f"{file}: holds {share:.0%} of the passages of {other} line {other_line}")


def _count_reading(look: Look) -> None:
    """The first entries of the account: what was read, what was bad, what cleaning did."""
    read = sum(facts.read for facts in look.facts)
    look.steps.append(StepCount("read", read, read, 0, "rows of all files"))
    if look.bad:
        look.steps.append(StepCount("check", read, read - look.bad, 0, "rows that cannot be trained on"))
    left = read - look.bad
    dropped = sum(sum(facts.dropped.values()) for facts in look.facts)
    changed = sum(sum(facts.changed.values()) for facts in look.facts)
    if dropped or changed:
        look.steps.append(StepCount("clean", left, left - dropped, changed, _changes(look)))


def _changes(look: Look) -> str:
    parts = [
        f"{count} {code.replace('_', ' ')}"
        for facts in look.facts
        for code, count in sorted((*facts.dropped.items(), *facts.changed.items()))
    ]
    return ", ".join(parts)


def _count_decided(look: Look) -> None:
    left = look.ledger.rows
    for item in look.decided:
        if item.dropped:
            look.steps.append(StepCount(item.code, left, left - item.count, 0, "rows like an earlier one"))
            left -= item.count


def _source_report(number: int, facts: FileFacts, look: Look) -> SourceReport:
    file, source = facts.wanted.file, facts.wanted.source
    known = file.path.is_file()
    return SourceReport(
        path=file.shown,
        format=facts.known_layout.name,
        file_format=file.format,
        detected=source.format == "auto",
        rows=facts.read,
        usable=facts.usable,
        findings=findings_of(number, facts, look.decided, look.facts, look.section.clean.bad_rows == "drop"),
        task=source.task if isinstance(source, DataSource) else None,
        sha256=sha256_file(file.path) if known else None,
        bytes=file.path.stat().st_size if known else None,
    )


def _with_findings(source: SourceReport, more: list[Finding]) -> SourceReport:
    return replace(source, findings=(*source.findings, *more))


def _split_sizes(look: Look) -> dict[str, dict[str, Any]]:
    if not look.divided:
        return {}
    sizes: dict[str, int] = dict(look.ledger.ask("SELECT split, sum(copies) FROM walk GROUP BY split"))
    return {name: {"rows": sizes.get(name, 0)} for name in SPLITS}


def _dropped(look: Look) -> dict[str, int]:
    by_fate = look.ledger.ask("SELECT fate, count(*) FROM rows WHERE fate IS NOT NULL GROUP BY fate")
    by_reason = look.ledger.ask("SELECT reason, count(*) FROM left_out GROUP BY reason")
    return dict(sorted((*by_fate, *by_reason)))


def _groups(column: str, ledger: Ledger) -> dict[str, int]:
    return dict(
        ledger.ask(
            f"SELECT {column}, count(*) FROM rows WHERE {column} IS NOT NULL AND fate IS NULL "  # noqa: S608
            f"GROUP BY {column} ORDER BY count(*) DESC, {column} LIMIT 200"
        )
    )


def _kept(ledger: Ledger) -> int:
    return int(ledger.one("SELECT count(*) FROM rows WHERE role = 'pool' AND fate IS NULL"))
