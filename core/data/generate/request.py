"""What is wanted: rows from which documents, by whose answers, into which file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.data.generate.prompts import KINDS
from tunery.errors import BadInput

MOST_QUESTIONS = 20


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible API, such as https://example.org/v1, and the model to ask there.

    `key_from` names the environment variable that holds the key; the key itself is
    never stored or shown.
    """

    base_url: str
    model: str
    key_from: str | None = None


@dataclass(frozen=True)
class LocalModel:
    """A model of this machine: a packaged starter, a folder, or a .gguf file."""

    name: str


@dataclass(frozen=True)
class GenerateRequest:
    """`questions` are asked about each passage, of the `kinds` in turn.

    `docs` is a folder, or one file. `out` is appended to; an earlier call's work in it
    is not done again. `language` None is the passage's own.
    """

    docs: Path
    out: Path
    answerer: Endpoint | LocalModel
    questions: int = 2
    kinds: tuple[str, ...] = tuple(KINDS)
    seed: int = 7
    language: str | None = None

    def __post_init__(self) -> None:
        """Raises BadInput for what cannot be asked."""
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown or not self.kinds:
            named = (
                f"there is no kind of question {unknown[0]!r}" if unknown else "no kind of question is named"
            )
            raise BadInput(f"{named}; use some of {', '.join(KINDS)}")
        if not 1 <= self.questions <= MOST_QUESTIONS:
            raise BadInput(f"questions is 1 to {MOST_QUESTIONS} for each passage, not {self.questions}")
        if self.out.suffix != ".jsonl":
            raise BadInput(f"{self.out} is written as JSON lines; give it the ending .jsonl")
