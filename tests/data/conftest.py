"""A ledger to put rows into by hand, and a recipe's folder in which the prepare step runs."""

import json

import pytest

from core.data.examine import draw_of
from core.data.ledger import Entry, Ledger, signed
from core.data.prepare import prepare
from core.recipe.data import DataSection, DataSource, Split
from core.recipe.sections import PrepareSection
from core.workspace.steps import StepContext
from tunery.errors import DataError
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


class Bench:
    """A recipe's folder, and the step run in it."""

    def __init__(self, tmp_path, workspace, base):
        self.folder, self.workspace, self.base = tmp_path, workspace, base
        self.events = []
        self.runs = 0

    def write(self, name, rows):
        self.folder.joinpath(name).write_text(
            "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8"
        )

    def prepare(self, *sources, max_length=512, folder=None, stop=lambda: False, data=None, **split):
        """`data` has more keys of the data section, the other keywords are those of its split."""
        self.runs += 1
        self.out = self.folder / f"out{self.runs}"
        self.out.mkdir()
        section = DataSection(
            sources=tuple(
                DataSource(path=source) if isinstance(source, str) else source for source in sources
            ),
            split=Split(**split),
            **(data or {}),
        )
        ctx = StepContext(
            step="prepare",
            name="tiny",
            inputs={"base": self.base},
            recipe_folder=folder or self.folder,
            out=self.out,
            work=self.folder,
            shared=self.folder,
            workspace=self.workspace,
            emit=self.events.append,
            stop_requested=stop,
        )
        return prepare(PrepareSection(data=section, max_length=max_length), ctx)

    def refusal(self, *sources, **settings):
        with pytest.raises(DataError) as caught:
            self.prepare(*sources, **settings)
        assert list(self.out.iterdir()) == []
        return str(caught.value)

    def report(self):
        return json.loads((self.out / "report.json").read_text(encoding="utf-8"))

    def dropped(self):
        """(source, line, reason) of every row that was left out."""
        rows = [json.loads(line) for line in (self.out / "dropped.jsonl").read_text("utf-8").splitlines()]
        return [(row["source"], row["line"], row["reason"]) for row in rows]


@pytest.fixture
def bench(tmp_path, workspace, tiny_model_folder):
    return Bench(tmp_path, workspace, tiny_model_folder)
