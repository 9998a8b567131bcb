"""What was done to the rows, step by step: how many went in, came out and were changed; without replay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from core.data.decide import Decided
from core.data.gather import FileFacts
from core.data.ledger import Ledger
from core.data.report import StepCount


def reading_steps(all_facts: Sequence[FileFacts]) -> Iterator[StepCount]:
    """What was read, what could not be used, what cleaning did."""
    facts = [item for item in all_facts if item.wanted.role != "replay"]
    read = sum(item.read for item in facts)
    yield StepCount("read", read, read, 0, "rows of all files")
    bad = sum(sum(item.bad.values()) for item in facts)
    if bad:
        yield StepCount("check", read, read - bad, 0, "rows that cannot be trained on")
    dropped: Counter[str] = Counter()
    changes: Counter[str] = Counter()
    for item in facts:
        dropped.update(item.dropped)
        changes.update(item.changed)
    if dropped or changes:
        left = read - bad
        changed = sum(item.changed_rows for item in facts)
        about = [f"{count:,} {code.replace('_', ' ')}" for code, count in sorted((dropped + changes).items())]
        yield StepCount("clean", left, left - dropped.total(), changed, ", ".join(about))


def decided_steps(decided: Sequence[Decided], ledger: Ledger) -> Iterator[StepCount]:
    """What was left out because of an earlier row."""
    left = int(ledger.one("SELECT count(*) FROM rows WHERE role != 'replay'"))
    for item in decided:
        if item.dropped:
            about = "rows with another answer to an earlier prompt" if item.code == "contradiction" else ""
            yield StepCount(item.code, left, left - item.left_out, 0, about or "rows like an earlier one")
            left -= item.left_out


def kept(ledger: Ledger) -> int:
    """Rows that are still there, those of a test file included."""
    return int(ledger.one("SELECT count(*) FROM rows WHERE role != 'replay' AND fate IS NULL"))
