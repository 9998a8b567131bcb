"""The dataset artifact's files: written by the prepare step, read by training and evaluation.

For each split there are the rows as people read them (`train.jsonl`) and the tokens
as training reads them, without pickles: `train.ids.npy` (int32) and `train.trained.npy`
(bool), all rows end to end, and `train.offsets.npy` (int64), the position where each
row begins and, last, where they end. Equal positions in the two belong to one row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.models.examples import Conversation, Example, example_from_json
from serve.chat import Message
from tunery.errors import BrokenIntegrity, NotThere

if TYPE_CHECKING:
    import numpy as np

    IntArray = np.ndarray[Any, np.dtype[np.int32]]
    BoolArray = np.ndarray[Any, np.dtype[np.bool_]]
    OffsetArray = np.ndarray[Any, np.dtype[np.int64]]

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Row:
    """One example, and where it came from: file name and 1-based line (or row of a table).

    `task` names what kind of work it teaches, where its source says so.
    """

    id: str
    source: str
    line: int
    example: Example
    task: str | None = None

    @property
    def messages(self) -> tuple[Message, ...]:
        """All turns of a conversation."""
        if not isinstance(self.example, Conversation):
            raise ValueError(f"row {self.id} is a {self.example.kind} and no conversation")
        return self.example.messages

    @property
    def prompt(self) -> tuple[Message, ...]:
        """Everything before the last answer."""
        return self.messages[:-1]

    @property
    def answer(self) -> str:
        """The text of the last turn, which is an assistant's."""
        return self.messages[-1].content

    def to_json(self) -> dict[str, Any]:
        """One line of a dataset's rows."""
        value: dict[str, Any] = {"id": self.id, "source": self.source, "line": self.line}
        if self.example.kind != "conversation":
            value["kind"] = self.example.kind
        if self.task is not None:
            value["task"] = self.task
        return {**value, **self.example.to_json()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Row:
        """What `to_json` wrote. Raises KeyError or TypeError for anything else."""
        example = example_from_json(value.get("kind", "conversation"), value)
        return cls(value["id"], value["source"], value["line"], example, value.get("task"))


@dataclass(frozen=True)
class TokenRow:
    """One rendered conversation.

    `ids` (length, int32) are token ids; `trained` (length, bool) marks the ids that the
    loss is taken on: the assistant turns' own text and their stop tokens.
    """

    ids: IntArray
    trained: BoolArray


class TokenRows(Sequence[TokenRow]):
    """The tokens of one split, read from memory-mapped files as they are needed."""

    def __init__(self, ids: IntArray, trained: BoolArray, offsets: OffsetArray) -> None:
        self._ids = ids
        self._trained = trained
        self._offsets = offsets

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        index %= len(self)
        span = slice(int(self._offsets[index]), int(self._offsets[index + 1]))
        return TokenRow(self._ids[span], self._trained[span])

    @property
    def lengths(self) -> OffsetArray:
        """Tokens of each row, (rows,) int64."""
        import numpy as np

        return np.diff(self._offsets)

    @property
    def trained_lengths(self) -> OffsetArray:
        """Trained tokens of each row, (rows,) int64."""
        import numpy as np

        running = np.concatenate([[0], np.cumsum(self._trained, dtype=np.int64)])
        return np.diff(running[self._offsets])


@dataclass(frozen=True)
class Dataset:
    """A dataset artifact, opened for reading."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> Dataset:
        """Raises NotThere when `folder` holds no dataset."""
        if not (folder / "train.offsets.npy").is_file():
            raise NotThere(f"{folder} holds no dataset; run the recipe's prepare step")
        return cls(folder)

    def split(self, name: str) -> TokenRows:
        """The tokens of "train", "validation" or "test"; empty when that split has no rows."""
        import numpy as np

        def read(part: str) -> Any:
            path = self.folder / f"{name}.{part}.npy"
            try:
                # A file without elements cannot be mapped.
                empty = path.stat().st_size <= 128
                return np.load(path, mmap_mode=None if empty else "r", allow_pickle=False)
            except (OSError, ValueError) as error:
                raise BrokenIntegrity(
                    f"{path} cannot be read ({error}); run the prepare step again"
                ) from None

        return TokenRows(read("ids"), read("trained"), read("offsets"))

    def rows(self, name: str) -> list[Row]:
        """The conversations of a split, in the order of its tokens."""
        return list(read_rows(self.folder / f"{name}.jsonl"))


def is_dataset_rows(path: Path) -> bool:
    """Whether a file holds the rows of one split of a dataset artifact."""
    return path.suffix == ".jsonl" and path.with_name(f"{path.stem}.offsets.npy").is_file()


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a file that `write_rows` wrote."""
    with open(path, encoding="utf-8") as handle:
        for number, line in enumerate(handle, 1):
            try:
                yield Row.from_json(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise BrokenIntegrity(
                    f"{path} line {number} is not what was written ({error}); run the prepare step again"
                ) from None


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write rows as JSON lines, without the ASCII form of letters that people read."""
    with open(path, "w", encoding="utf-8", newline="\n") as handle:
        for row in rows:
            handle.write(json.dumps(row.to_json(), ensure_ascii=False) + "\n")


def write_tokens(folder: Path, name: str, ids: IntArray, trained: BoolArray, offsets: OffsetArray) -> None:
    """Write one split's token files; shapes and types as in `TokenRows`."""
    import numpy as np

    if len(ids) != len(trained) or int(offsets[-1]) != len(ids):
        raise ValueError(
            f"{len(ids)} ids, {len(trained)} marks and offsets up to {offsets[-1]} do not belong together"
        )
    np.save(folder / f"{name}.ids.npy", ids.astype(np.int32, copy=False), allow_pickle=False)
    np.save(folder / f"{name}.trained.npy", trained.astype(np.bool_, copy=False), allow_pickle=False)
    np.save(folder / f"{name}.offsets.npy", offsets.astype(np.int64, copy=False), allow_pickle=False)
