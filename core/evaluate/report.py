"""What `report.json` says, as types; they give its JSON schema too.

Keys may be added, never renamed: a reader of an older Tunery passes over new ones.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from tunery.errors import BrokenIntegrity, NotThere

REPORT_FILE = "report.json"

AxisVerdict = Literal["better", "worse", "no_clear_difference", "not_judged"]
Verdict = Literal["ship", "do_not_ship", "cannot_tell"]
Figure = FiniteFloat | None


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)


class ReportedSubject(_Part):
    """What was evaluated: weights, engines, knowledge on or off, guards on or off."""

    name: str
    quant: str | None = Field(description="llama.cpp type of the weights that generated")
    weights_sha256: str = Field(description="hash of the weights that generated")
    engine: str = Field(description="what generated the answers, with its version")
    loss_engine: str = Field(description="what computed the loss, with its version and arithmetic")
    knowledge: bool
    guards: bool


class Comparison(_Part):
    """A subject minus base. The bounds are of a 95 % paired bootstrap interval over rows."""

    difference: Figure
    low: Figure
    high: Figure
    different_rows: Annotated[int, Field(ge=0, description="rows on which the two subjects differ")]
    verdict: AxisVerdict


class Axis(Comparison):
    """One figure for every subject, and tuned minus base; null where a figure is not finite."""

    name: str
    metric: str = Field(description="unit of the figures")
    about: str
    better: Literal["lower", "higher", "neither"]
    weighting: Literal["tokens", "answers"] = Field(description="what the mean is taken over")
    n: Annotated[int, Field(ge=1, description="rows, the unit of resampling")]
    units: Annotated[int, Field(ge=1, description="tokens or answers in these rows")]
    values: dict[str, Figure]
    base: Figure
    tuned: Figure
    exports: dict[str, Comparison] = Field(description="each export minus base")


class Intervals(_Part):
    """How the intervals were made."""

    method: str
    confidence: float
    resamples: int
    seed: int


class Counts(_Part):
    rows: int
    answers: int
    structured_answers: int
    trained_tokens: int
    max_new_tokens: int
    shortened_answers: int = Field(description="answers whose room in the context was below max_new_tokens")


class Report(_Part):
    """The whole report."""

    version: Literal[1] = 1
    name: str = Field(description="name of the recipe")
    suite: str
    subjects: list[ReportedSubject]
    axes: list[Axis]
    verdict: Verdict
    rule: str = Field(description="how the verdict follows from the axes")
    forced: bool = Field(default=False, description="a person overruled the verdict")
    counts: Counts
    intervals: Intervals
    environment: dict[str, str | int | float]

    def to_json(self) -> dict[str, Any]:
        """The JSON object of `report.json`."""
        return self.model_dump(mode="json")


def read_report(folder: Path) -> Report:
    """Read `report.json` of an evaluation's artifact.

    Raises NotThere when there is none, and BrokenIntegrity when it is not a report.
    """
    path = folder / REPORT_FILE
    if not path.is_file():
        raise NotThere(f"{folder} holds no {REPORT_FILE}; the evaluate step of this run has not finished")
    try:
        return Report.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise BrokenIntegrity(f"{path} is not a report of this version ({reason}); evaluate again") from None


def report_schema() -> str:
    """The JSON schema of `report.json`, as text."""
    return json.dumps(Report.model_json_schema(), indent=2, sort_keys=True) + "\n"
