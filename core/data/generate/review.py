"""A person looks at proposed rows and accepts, rejects or corrects them, one by one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.data.generate.journal import locked, read_rows
from core.data.generate.state import ACCEPTED, PROPOSED, REJECTED
from rag.rarity import Rarity
from rag.support import check_support
from tunery.errors import BadInput, NotThere
from tunery.files import write_text_whole


@dataclass(frozen=True)
class Proposal:
    """One generated row. `line` is where it stands; `passage` the text it was made from.

    `doubts` say what the passage does not bear out, after a person changed the row.
    """

    line: int
    question: str
    answer: str
    state: str
    document: str
    title: str
    heading: str
    start: int
    end: int
    passage: str
    support: float
    doubts: tuple[str, ...] = ()


@contextmanager
def open_review(file: Path) -> Iterator[Review]:
    """Hold a file of generated rows for the block, and read it.

    Raises NotThere without the file, DataError when it holds other rows, BadInput when
    another process has it.
    """
    if not file.is_file():
        raise NotThere(f"{file} does not exist; make it with `tunery data generate`")
    with locked(file):
        yield Review(file)


class Review:
    """The rows of a file and what was decided. Every decision is on the disk when its call returns."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._values = dict(read_rows(file))
        with open(file, encoding="utf-8", newline="\n") as handle:
            self._lines = list(handle)
        self.rows = [_proposal(line, value) for line, value in self._values.items()]
        self._rarity = Rarity(dict.fromkeys(row.passage for row in self.rows))

    def waiting(self) -> Iterator[Proposal]:
        """Rows that nobody has decided on, in order, as they are now."""
        for at in range(len(self.rows)):
            if self.rows[at].state == PROPOSED:
                yield self.rows[at]

    def counts(self) -> dict[str, int]:
        """How many rows are in each state."""
        found = Counter(row.state for row in self.rows)
        return {state: found[state] for state in (PROPOSED, ACCEPTED, REJECTED)}

    def accept(self, line: int) -> None:
        """Let training use the row."""
        self._write(line, {"state": ACCEPTED})

    def reject(self, line: int) -> None:
        """Keep the row out of training, and its question from being proposed again."""
        self._write(line, {"state": REJECTED})

    def edit(self, line: int, *, question: str, answer: str) -> Proposal:
        """Change a row's texts and check them against the passage again; it waits for a decision.

        Raises BadInput when one of the texts is empty or no valid Unicode.
        """
        question, answer = question.strip(), answer.strip()
        if not _usable(question) or not _usable(answer):
            raise BadInput("question and answer both need words; write them, or reject the row")
        row = self._at(line)
        support = check_support(
            question, answer, row.passage, about=f"{row.title}\n{row.heading}", rarity=self._rarity
        )
        messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        self._write(
            line, {"messages": messages, "support": support.figure, "state": PROPOSED, "edited": True}
        )
        return self._replace(replace(self._at(line), doubts=support.doubts))

    def _at(self, line: int) -> Proposal:
        for row in self.rows:
            if row.line == line:
                return row
        raise BadInput(f"{self._file} has no row on line {line}")

    def _replace(self, row: Proposal) -> Proposal:
        self.rows[self.rows.index(self._at(row.line))] = row
        return row

    def _write(self, line: int, change: dict[str, Any]) -> None:
        """Write the file anew with one line changed; every other byte stays."""
        self._at(line)
        value = {**self._values[line], **change}
        self._lines[line - 1] = json.dumps(value, ensure_ascii=False) + "\n"
        write_text_whole(self._file, "".join(self._lines))
        self._values[line] = value
        self._replace(_proposal(line, value))


def _usable(text: str) -> bool:
    return any(letter.isalnum() for letter in text) and not any(
        "\ud800" <= letter <= "\udfff" for letter in text
    )


def _proposal(line: int, value: dict[str, Any]) -> Proposal:
    source, (question, answer) = value["source"], value["messages"]
    return Proposal(
        line=line,
        question=question["content"],
        answer=answer["content"],
        state=value["state"],
        document=source["document"],
        title=source["title"],
        heading=source["heading"],
        start=int(source["start"]),
        end=int(source["end"]),
        passage=source["text"],
        support=float(value["support"]),
    )
