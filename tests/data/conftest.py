"""A ledger to put rows into by hand."""

import pytest

from core.data.examine import draw_of
from core.data.ledger import Entry, Ledger, signed
from tunery.hashes import sha256_text


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path / "ledger.db")
    yield ledger
    ledger.close()


def entry(text, *, prompt=None, source=0, line=1, role="pool", seed=7, task=None, label=None):
    """A row that says `text`; rows with one text are equal, rows with one prompt ask the same."""
    row_id = sha256_text(text)[:16]
    return Entry(
        source=source,
        role=role,
        line=line,
        key=signed(row_id),
        prompt=signed(sha256_text(prompt if prompt is not None else text)),
        draw=draw_of(row_id, seed),
        characters=len(text),
        task=task,
        label=label,
        row="{}",
    )


@pytest.fixture
def fill(ledger):
    """Put one row for each text into the ledger."""

    def fill(texts, **facts):
        ledger.add(entry(text, line=line, **facts) for line, text in enumerate(texts, 1))
        return ledger

    return fill
