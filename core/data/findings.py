"""From what was counted to findings: severity, examples and the recipe key that fixes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from core.data.decide import Decided, Twin
from core.data.gather import FileFacts
from core.data.ledger import Ledger
from core.data.lint.findings import FINDINGS
from core.data.report import Example, Finding, Severity

# From this many times the smallest class on, the largest one drowns it.
IMBALANCE = 10
SHORT = 10
# Chosen answers longer than rejected ones in this share of pairs teach length.
LENGTH_BIAS = 0.75


def findings_of(
    number: int,
    facts: FileFacts,
    decided: Sequence[Decided],
    all_facts: Sequence[FileFacts],
    bad_dropped: bool,
) -> tuple[Finding, ...]:
    """Everything to know about file `number`, the gravest first."""
    found = [
        *_problems(facts, bad_dropped),
        *_odd(facts),
        *_twins(number, decided, all_facts),
        *_unwanted(facts),
        *_ignored(facts),
        *_lopsided(facts, [item for item in all_facts if item.wanted.origin == facts.wanted.origin]),
    ]
    order: dict[Severity, int] = {"error": 0, "warning": 1, "note": 2}
    return tuple(sorted(found, key=lambda item: (order[item.severity], -item.count, item.code)))


def class_findings(ledger: Ledger) -> list[Finding]:
    """Classes of very different size, over all sources together."""
    sizes = [
        (label, count)
        for label, count in ledger.ask(
            "SELECT label, count(*) FROM rows WHERE role = 'pool' AND label IS NOT NULL AND fate IS NULL "
            "GROUP BY label ORDER BY count(*) DESC, label"
        )
    ]
    if len(sizes) < 2 or sizes[0][1] < IMBALANCE * sizes[-1][1]:
        return []
    (large, most), (small, least) = sizes[0], sizes[-1]
    text = f"{large!r} has {most} rows and {small!r} has {least}"
    line = ledger.one("SELECT min(line) FROM rows WHERE label = ? AND role = 'pool'", small)
    return [finding("class_imbalance", most, (Example(int(line), text),))]


def _problems(facts: FileFacts, dropped: bool) -> Iterator[Finding]:
    for code, count in _ordered(facts.bad):
        kind = FINDINGS.get(code)
        severity: Severity = "warning" if dropped else "error"
        fix = facts.fixes[code]
        if kind is not None and "data." not in fix:
            fix = f"{fix}; {kind.fix}"
        yield Finding(code, severity, count, _examples(facts, code), fix)


def _odd(facts: FileFacts) -> Iterator[Finding]:
    for code, count in _ordered(facts.seen):
        yield finding(code, count, _examples(facts, code))


def _unwanted(facts: FileFacts) -> Iterator[Finding]:
    """What cleaning dropped and changed."""
    for code, count in _ordered(facts.dropped):
        # Dropped because the recipe says so, however grave it would be otherwise.
        yield replace(finding(code, count, _examples(facts, code)), severity="note")


def _twins(number: int, decided: Sequence[Decided], all_facts: Sequence[FileFacts]) -> Iterator[Finding]:
    for item in decided:
        count = item.by_source.get(number, 0)
        if count:
            examples = tuple(
                Example(twin.line, _like(twin, all_facts)) for twin in item.examples if twin.source == number
            )
            yield finding(item.code, count, examples)


def _like(twin: Twin, all_facts: Sequence[FileFacts]) -> str:
    if twin.source == twin.first_source:
        return f"like line {twin.first_line}"
    return f"like {all_facts[twin.first_source].wanted.file.shown} line {twin.first_line}"


def _ignored(facts: FileFacts) -> Iterator[Finding]:
    if not facts.ignored:
        return
    examples = tuple(
        Example(facts.ignored_at[key], f"`{key}` in {count} rows")
        for key, count in _ordered(facts.ignored)[:3]
    )
    yield finding("ignored_key", max(facts.ignored.values()), examples)


def _lopsided(facts: FileFacts, siblings: Sequence[FileFacts]) -> Iterator[Finding]:
    """What a file teaches beside what it says."""
    if facts.wanted.role == "pool" and sum(item.usable for item in siblings) < SHORT and facts is siblings[0]:
        yield finding("short_source", facts.usable, ())
    missing = sorted({str(name) for name in facts.wanted.source.columns} - facts.columns)
    if facts.usable and missing:
        named = facts.wanted.source.columns
        text = ", ".join(f"{ours}: {theirs}" for ours, theirs in named.items() if ours in missing)
        yield finding("unknown_column", facts.usable, (Example(1, text),))
    if facts.pairs >= SHORT and facts.longer > LENGTH_BIAS * facts.pairs:
        yield finding("length_bias", facts.longer, ())


def _ordered(counts: Counter[str]) -> list[tuple[str, int]]:
    """The most frequent first, and by name where they are equal: never by which came first."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _examples(facts: FileFacts, code: str) -> tuple[Example, ...]:
    return tuple(Example(line, text) for line, text in facts.shown.get(code, ()))


def finding(code: str, count: int, examples: tuple[Example, ...]) -> Finding:
    """A finding of the table."""
    kind = FINDINGS[code]
    return Finding(code, kind.severity, count, examples, kind.fix)
