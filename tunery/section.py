"""The base of every recipe section, and the one way to declare a field.

A field carries its description, range, default and visibility, so that the
command line, the form in the app and the reference page come from one place.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Visibility = Literal["basic", "advanced"]


class Section(BaseModel):
    """A part of the recipe: typed, unknown keys refused, unchangeable once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, validate_default=True)


def setting(default: Any = ..., *, about: str, shown: Visibility = "basic", **limits: Any) -> Any:
    """Declare a field: `about` is one sentence for people; `limits` are pydantic's (ge, le, ...)."""
    return Field(default, description=about, json_schema_extra={"visibility": shown}, **limits)
