"""A recipe's check as text, for both faces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.findings import findings_text

if TYPE_CHECKING:
    from core.doctor.recipe import RecipeCheck


def check_text(check: RecipeCheck) -> str:
    """What would run, then what was found."""
    width = max(len(step.step) for step in check.steps)
    lines = [f"{step.step:{width}}  {step.about}" for step in check.steps]
    verdict = (
        f"{check.name} cannot run yet: mend what is marked ✗."
        if check.refused
        else f"{check.name} can run: `tunery run {check.file}`."
    )
    return "\n".join([*lines, "", findings_text(check.findings), "", verdict])
