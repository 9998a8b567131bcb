"""One thing that the doctor saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["ok", "note", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """`text` says what was seen, `fix` what to do about it; a finding that is ok needs none."""

    code: str
    severity: Severity
    text: str
    fix: str = ""
