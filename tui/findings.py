"""Findings as lines of text: a mark, what was seen, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

MARKS = {"ok": "✓", "note": "·", "warning": "!", "error": "✗"}


class Seen(Protocol):
    """What the doctor and the data report have in common."""

    @property
    def severity(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def fix(self) -> str: ...


def findings_text(findings: Iterable[Seen]) -> str:
    lines = []
    for finding in findings:
        lines.append(f"{MARKS.get(finding.severity, '·')} {finding.text}")
        if finding.fix:
            lines.append(f"    {finding.severity}: {finding.fix}")
    return "\n".join(lines)
