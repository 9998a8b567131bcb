"""Precision and recall of redaction on labelled texts, false alarms on real rows, and time a row.

    python benchmarks/redaction.py [--each 250] [--seed 7] [--names] [--show] [--json] [--data FILE]

The texts are made up, equal for equal seeds: `--each` positives of every kind in many forms and sentences,
and look-alikes (order and case numbers, dates, versions, hashes, prices, code, ...). A value counts as found
when exactly its characters are. Precision is by kind over positives and look-alikes together. Findings in
`--data` (alpaca rows) are counted, and with --show listed for a person to judge; --show also lists what was
missed and what was found wrongly. With --names, people and places are looked for as well, which needs the
extra `pii`. Times are CPU time in one process, the best of five rounds
(with --names of the first 100 rows).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.redaction_texts import LOOKALIKES, Labelled, names, negatives, positives  # noqa: E402
from serve.privacy import KINDS, Detector, Found, Kind  # noqa: E402

DATA = ROOT.parent / "shared" / "data" / "alpaca_en_demo.json"
GUESSED: tuple[Kind, ...] = ("person", "place")
PATTERNS = tuple(kind for kind in KINDS if kind not in GUESSED)


@dataclass
class Score:
    """Counts by kind. `texts` holds what went wrong, for --show."""

    found: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    alarms: int = 0
    texts: list[str] = field(default_factory=list)

    def recall(self, kind: str) -> float:
        return self.found[kind] / max(1, self.found[kind] + self.missed[kind])

    def precision(self, kind: str) -> float:
        return self.found[kind] / max(1, self.found[kind] + self.wrong[kind])


def score(detector: Detector, texts: Iterable[Labelled]) -> Score:
    """Compare what is found with the labels."""
    result = Score()
    for each in texts:
        found = detector.find(each.text)
        right = [
            span for span in found if (span.kind, span.start, span.end) == (each.kind, each.start, each.end)
        ]
        if each.kind is not None:
            (result.found if right else result.missed)[each.kind] += 1
        wrong = [span for span in found if span not in right]
        result.wrong.update(span.kind for span in wrong)
        result.alarms += each.kind is None and bool(found)
        if wrong or (each.kind is not None and not right):
            result.texts.append(
                f"{each.kind or 'look-alike'} ({each.form}): {each.text!r} {_said(wrong, each.text)}"
            )
    return result


def main() -> None:
    """Print the tables."""
    options = _options()
    kinds = KINDS if options.names else PATTERNS
    detector = Detector(kinds)
    texts = [*positives(options.seed, options.each), *negatives(options.seed, -(-1000 // len(LOOKALIKES)))]
    if options.names:
        texts += names(options.seed, options.each)
    judged = score(detector, texts)
    rows = _rows(Path(options.data))
    hits = [(number, row, span) for number, row in enumerate(rows, 1) for span in detector.find(row)]
    report: dict[str, Any] = {
        "positives": sum(each.kind is not None for each in texts),
        "lookalikes": sum(each.kind is None for each in texts),
        "lookalikes_with_findings": judged.alarms,
        "kinds": {
            kind: {
                "recall": judged.recall(kind),
                "precision": judged.precision(kind),
                "n": judged.found[kind],
            }
            for kind in kinds
        },
        "rows": len(rows),
        "findings_per_1000_rows": 1000 * len(hits) / max(1, len(rows)),
        "microseconds_a_row": _time(detector, rows[:100] if options.names else rows),
    }
    print(json.dumps(report, indent=2) if options.json else _table(report))
    if options.show:
        print(*judged.texts, sep="\n")
        for number, row, span in hits:
            around = row[max(0, span.start - 40) : span.end + 20]
            print(f"row {number}: {span.kind} ({span.detail}) {row[span.start : span.end]!r} in {around!r}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--each", type=int, default=250, help="positives of every kind")
    parser.add_argument("--seed", type=int, default=7, help="of the made-up texts")
    parser.add_argument("--names", action="store_true", help="people and places too, through Presidio")
    parser.add_argument(
        "--show", action="store_true", help="list misses, wrong findings, and findings in the rows"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    parser.add_argument("--data", default=str(DATA), help="alpaca rows as a JSON list")
    return parser.parse_args()


def _rows(path: Path) -> list[str]:
    return ["\n".join(row.values()) for row in json.loads(path.read_text(encoding="utf-8"))]


def _time(detector: Detector, rows: Sequence[str]) -> float:
    """Microseconds of CPU time a row."""
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        for row in rows:
            detector.find(row)
        best = min(best, time.process_time() - start)
    return 1e6 * best / max(1, len(rows))


def _said(spans: Sequence[Found], text: str) -> str:
    return "; ".join(f"found {span.kind} {text[span.start : span.end]!r}" for span in spans) or "not found"


def _table(report: dict[str, Any]) -> str:
    lines = [f"{'kind':8} {'found':>6} {'recall':>8} {'precision':>10}"]
    for kind, figures in report["kinds"].items():
        lines.append(f"{kind:8} {figures['n']:6} {figures['recall']:8.1%} {figures['precision']:10.1%}")
    return "\n".join(
        [
            *lines,
            f"{report['positives']} positives; findings in {report['lookalikes_with_findings']} of "
            f"{report['lookalikes']} look-alikes",
            f"{report['findings_per_1000_rows']:.1f} findings in 1,000 of {report['rows']} rows, "
            f"{report['microseconds_a_row']:.1f} microseconds a row",
        ]
    )


if __name__ == "__main__":
    main()
