"""The recipe's data section: what the model learns from, and what is done to it first."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Tag, model_validator

from tunery.section import Section, setting

RowFormat = Literal[
    "auto",
    "messages",
    "sharegpt",
    "alpaca",
    "prompt_completion",
    "text",
    "classification",
    "preference",
    "transcripts",
    "unpaired",
    "prompts",
]
# What a column mapping can name: ours on the left, the file's column on the right.
Column = Literal[
    "messages",
    "prompt",
    "completion",
    "input",
    "system",
    "history",
    "tools",
    "text",
    "label",
    "chosen",
    "rejected",
    "reference",
    "task",
]
Redactable = Literal["email", "phone", "iban", "card", "ip", "secret", "person", "place"]


class DataSource(Section):
    """Rows of one kind, from one place."""

    path: str = setting(
        about="A file, folder or glob relative to the recipe, a saved or hub dataset (hf:NAME), or run:NAME."
    )
    format: RowFormat = setting(
        "auto", about="What the rows are; auto looks at them and reports what it found."
    )
    columns: dict[Column, str] = setting(
        {}, about="Columns with other names, such as {prompt: question}.", shown="advanced"
    )
    task: str | None = setting(
        None, min_length=1, max_length=64, about="What these rows teach; figures are told by task."
    )
    weight: float = setting(
        1.0,
        gt=0,
        le=100,
        about="Training sees each row so often; 0.5 takes half of the rows.",
        shown="advanced",
    )


class TestFile(Section):
    """Test rows of their own instead of a share of the sources."""

    path: str = setting(about="File with the held-out rows; relative to the recipe.")
    format: RowFormat = setting("auto", about="What the rows are; auto looks at them.")
    columns: dict[Column, str] = setting({}, about="Columns with other names.", shown="advanced")


def _path_alone(value: object) -> object:
    return {"path": value} if isinstance(value, str) else value


Test = Annotated[
    Annotated[float, Tag("share")] | Annotated[TestFile, Tag("file")],
    Discriminator(lambda value: "file" if isinstance(value, dict | TestFile) else "share"),
    BeforeValidator(_path_alone),
]


class Split(Section):
    """How rows are divided. The same seed and rows always give the same split."""

    validation: float = setting(0.1, ge=0.0, lt=1.0, about="Share of rows for evaluation during training.")
    test: Test = setting(0.1, about="Share of rows, or {path: ...}, for the final comparison.")
    seed: int = setting(7, ge=0, about="Seed of the split.", shown="advanced")

    @model_validator(mode="after")
    def _shares_leave_rows(self) -> Split:
        shares = self.validation + (self.test if isinstance(self.test, float) else 0.0)
        if isinstance(self.test, float) and not 0.0 <= self.test < 1.0:
            raise ValueError("split.test is a share from 0 to below 1, or {path: ...}")
        if shares >= 0.9:
            raise ValueError("validation and test together leave too little to train on; keep them below 0.9")
        return self


class Leakage(Section):
    """Training rows that are nearly validation or test rows are kept out of training."""

    enabled: bool = setting(True, about="Look for them.")
    similarity: float = setting(
        0.8, ge=0.5, le=1.0, about="Share of common word triples from which two rows are near-duplicates."
    )
    ngram: int = setting(13, ge=5, le=50, about="Length in words of the passages that are compared.")
    overlap: float = setting(
        0.5, gt=0, le=1.0, about="Share of a held-out row's passages in a training row that makes it a leak."
    )


class Clean(Section):
    """What is done to rows before they are divided. Every change is counted; dropped rows are kept aside."""

    bad_rows: Literal["refuse", "drop"] = setting(
        "refuse", about="Rows that cannot be trained on: refuse to start, or drop them."
    )
    unanswered: Literal["refuse", "drop", "trim"] = setting(
        "refuse",
        about="Conversations that end with a question: refuse, drop the row, or cut the question off.",
    )
    unicode: Literal["keep", "nfc", "nfkc"] = setting(
        "keep", about="Bring letters into one form, and remove invisible characters."
    )
    whitespace: Literal["keep", "strip"] = setting(
        "keep", about="White space around answers, which melts into the template's own text."
    )
    duplicates: Literal["keep", "drop"] = setting("keep", about="Rows that say the same word for word.")
    contradictions: Literal["keep", "drop"] = setting(
        "keep", about="Equal prompts with different answers: keep them all, or the first of them."
    )
    near_duplicates: float | None = setting(
        None, ge=0.5, lt=1.0, about="Drop rows from this share of common word triples on, such as 0.85."
    )
    min_answer_characters: int = setting(
        0, ge=0, about="Drop rows with a shorter last answer.", shown="advanced"
    )
    max_characters: int | None = setting(None, ge=1, about="Drop longer rows.", shown="advanced")
    languages: tuple[str, ...] = setting(
        (), about="Keep rows in these languages only, such as [en, de].", shown="advanced"
    )
    leakage: Leakage = setting(Leakage(), about="Keep the test honest.", shown="advanced")
    redact: tuple[Redactable, ...] = setting(
        (), about="Replace personal data and secrets by placeholders such as <EMAIL_1>."
    )


class Balance(Section):
    """Which training rows are seen how often. Validation and test rows are never touched."""

    by: Literal["task", "label", "source"] | None = setting(
        None, about="Bring groups to the same size: task, label or source."
    )
    to: Literal["smallest", "largest"] | None = setting(
        None,
        about="Repeat rows up to the largest group (by default), or pass rows over down to the smallest.",
    )
    cap: int | None = setting(None, ge=1, about="At most so many rows a group.")
    temperature: float | None = setting(
        None, ge=1.0, about="Mix sources by size to the power of 1 / temperature; 1 is by size."
    )

    @model_validator(mode="after")
    def _cap_needs_groups(self) -> Balance:
        if self.by is None and (self.cap is not None or self.to is not None):
            raise ValueError("cap and to need `by`, which says what is counted")
        if self.cap is not None and self.to is not None:
            raise ValueError("cap and to both limit the groups; keep one")
        if self.temperature is not None and self.by is not None:
            raise ValueError("by and temperature both set how often rows are seen; keep one")
        return self


class Replay(Section):
    """Rows of an earlier run, so that what it taught is not forgotten."""

    run: str = setting(about="The run: an id, the beginning of one, or a recipe's name.")
    share: float = setting(0.1, gt=0, lt=1, about="Share of the training rows that come from it.")


class DataSection(Section):
    """What the model learns from."""

    sources: tuple[DataSource, ...] = setting(min_length=1, about="Where the rows are.")
    split: Split = setting(Split(), about="Shares for validation and test.")
    clean: Clean = setting(Clean(), about="What is done to rows first.", shown="advanced")
    balance: Balance = setting(Balance(), about="How often rows are seen.", shown="advanced")
    replay: Replay | None = setting(None, about="Rows of an earlier run, mixed in.", shown="advanced")
    too_long: Literal["refuse", "drop", "truncate"] = setting(
        "refuse",
        about="Rows over train.max_length: refuse, drop, or cut their oldest turns, never the last answer.",
    )
    refuse_above: float = setting(
        0.1,
        ge=0,
        le=1,
        about="Refuse to start when a larger share of rows is bad, too long, cut or without a trained token.",
        shown="advanced",
    )
