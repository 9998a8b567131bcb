"""Rows from documents: proposed, kept aside with the reason, and gone on with after a kill."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from core.data.generate import journal
from core.data.generate.asking import open_ask
from core.data.generate.propose import GenerateReport, generate
from core.data.generate.request import Endpoint, GenerateRequest, LocalModel
from core.workspace.events import Event, Progress, Sample, Warned
from core.workspace.home import Workspace
from rag.documents import Document, read_documents
from serve.chat import Message
from serve.engines.protocol import PromptTooLong
from tunery.errors import BadInput, DataError, NotThere, Stopped, TuneryError

EXAMPLE = Path(__file__).parents[2] / "examples/support/handbook"
COTS = "Cots are free, exist only at Tarnsill and must be requested 5 days ahead."
LIST = "The waiting list is free. When beds come free, the offer must be accepted within 6 hours."
SHOES = "Boots stay in the rack by the door. House shoes in all sizes lie in the blue box."

TRUE = {
    COTS: [("Where are cots?", "Cots exist only at Tarnsill."), ("Are cots free?", "Yes, cots are free.")],
    LIST: [
        ("How long do I have to accept an offer?", "The offer must be accepted within 6 hours."),
        ("Is the waiting list free?", "Yes, the waiting list is free."),
    ],
    SHOES: [
        ("Where do boots go?", "Boots stay in the rack by the door."),
        ("Where are house shoes?", "House shoes lie in the blue box."),
    ],
}


class Canned:
    """Answers by the passage in the prompt, and by how many questions it has been told of already."""

    name, parallel = "canned", 2

    def __init__(self, pairs: Mapping[str, Sequence[tuple[str, str] | str]]) -> None:
        self.pairs = pairs
        self.prompts: list[str] = []
        self.seeds: list[int] = []

    def __call__(self, messages: Sequence[Message], *, seed: int) -> str:
        prompt = messages[-1].content
        self.prompts.append(prompt)
        self.seeds.append(seed)
        passage = next(text for text in self.pairs if f"> {text}" in prompt)
        said = self.pairs[passage][prompt.partition("Ask something else than:")[2].count("\n- ")]
        return said if isinstance(said, str) else json.dumps({"question": said[0], "answer": said[1]})


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "huts.md").write_text(
        f"# Huts\n\n## Cots\n\n{COTS}\n\n## Waiting\n\n{LIST}\n\n## Short\n\nToo short.\n"
    )
    (folder / "shoes.html").write_text(f"<title>Shoes</title><h1>Shoes</h1><p>{SHOES}</p>")
    return folder


def wish(folder: Path, **changes: Any) -> GenerateRequest:
    out = folder.parent / "pairs.jsonl"
    return GenerateRequest(**{"docs": folder, "out": out, "answerer": LocalModel("x"), **changes})


def run(request: GenerateRequest, ask: Any, **options: Any) -> GenerateReport:
    return generate(request, ask, options.pop("emit", lambda event: None), **options)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_rows_carry_their_source_and_wait_for_a_person(docs: Path) -> None:
    events: list[Event] = []
    (docs / "broken.md").write_bytes(b"\xff")
    report = run(wish(docs), Canned(TRUE), emit=events.append)
    rows = lines(report.out)
    assert [[turn["content"] for turn in row["messages"]] for row in rows] == [
        list(pair) for pairs in TRUE.values() for pair in pairs
    ]
    texts = {item.path: item.text for item in read_documents(docs) if isinstance(item, Document)}
    for row in rows:
        source = row["source"]
        assert texts[source["document"]][source["start"] : source["end"]] == source["text"]
        assert row["state"] == "proposed"
        assert row["model"] == "canned"
        assert row["support"] >= 0.75
    assert rows[0]["source"] | {"start": 0, "end": 0} == {
        **{"document": "huts.md", "title": "Huts", "heading": "Huts > Cots", "text": COTS},
        **{"start": 0, "end": 0},
    }
    assert (report.documents, report.passages, report.asked, report.before, report.proposed) == (
        2,
        3,
        6,
        0,
        6,
    )
    assert report.aside == {}
    assert report.skipped[0].path == "broken.md"
    assert json.dumps(report.to_json())
    told = next(event.text for event in events if isinstance(event, Warned))
    assert told.startswith("broken.md is not used")
    assert len([event for event in events if isinstance(event, Sample)]) == 6
    progress = [event for event in events if isinstance(event, Progress)]
    assert [(event.done, event.of) for event in progress] == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_what_the_passage_does_not_bear_out_is_kept_aside_with_the_reason(docs: Path) -> None:
    pairs = {
        COTS: [("Where are cots?", "Cots exist only at Oxenlee."), ("Who is the pope?", "Cots are free.")],
        LIST: [("How long is an offer open?", "It must be accepted within 9 hours."), "I will not answer."],
        SHOES: [
            ("Where do boots go?", "Boots stay in the rack by the door."),
            ("Where do the boots go?", "They stay in the rack by the door."),
        ],
    }
    report = run(wish(docs), Canned(pairs))
    assert report.proposed == 1
    assert report.aside == {"duplicate": 1, "off_topic": 1, "unreadable": 1, "unsupported": 2}
    aside = [line for line in lines(report.ledger) if line["outcome"] != "proposed"]
    reasons = {line.get("question"): line["reason"] for line in aside}
    assert reasons["Where are cots?"] == "the passage does not name Oxenlee"
    assert "9 hours" in reasons["How long is an offer open?"]
    assert reasons["Where do the boots go?"] == "it asks the same as: Where do boots go?"
    assert next(line for line in aside if line["outcome"] == "unreadable")["reply"] == "I will not answer."
    assert all(line["source"]["text"] in pairs for line in aside)


def test_questions_of_the_recipe_are_not_asked_again(docs: Path) -> None:
    report = run(wish(docs), Canned(TRUE), existing=["where are the cots?", "Something else?"])
    assert report.aside == {"duplicate": 1}
    assert report.proposed == 5


def test_a_second_call_asks_nothing_and_more_questions_only_what_is_new(docs: Path) -> None:
    run(wish(docs, questions=1), Canned(TRUE))
    first = wish(docs).out.read_bytes()
    again = Canned(TRUE)
    assert run(wish(docs, questions=1), again).before == 3
    assert again.prompts == []
    more = Canned(TRUE)
    report = run(wish(docs, questions=2), more)
    assert (report.asked, report.before, report.proposed) == (3, 3, 3)
    assert all("Ask something else than:" in prompt for prompt in more.prompts)
    assert wish(docs).out.read_bytes().startswith(first)


def test_a_changed_document_is_asked_about_again_and_the_others_are_not(docs: Path) -> None:
    run(wish(docs), Canned(TRUE))
    longer = f"{COTS} Sheets are not included."
    (docs / "huts.md").write_text(f"# Huts\n\n## Cots\n\n{longer}\n\n## Waiting\n\n{LIST}\n")
    changed = Canned({longer: [("Are sheets included?", "No, sheets are not included."), "none"], **TRUE})
    report = run(wish(docs), changed)
    assert (report.asked, report.proposed) == (2, 1)


def test_the_order_of_rows_does_not_depend_on_which_reply_comes_first(docs: Path, tmp_path: Path) -> None:
    outs = []
    for parallel in (1, 4):
        ask = Canned(TRUE)
        ask.parallel = parallel
        out = tmp_path / f"{parallel}.jsonl"
        run(wish(docs, out=out), ask)
        outs.append(out.read_bytes())
    assert outs[0] == outs[1]


@pytest.mark.parametrize("write", range(12))
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_kill_at_any_write_loses_and_doubles_nothing(
    docs: Path, monkeypatch: pytest.MonkeyPatch, write: int, share: float
) -> None:
    run(wish(docs, out=docs.parent / "whole.jsonl"), Canned(TRUE))
    append = journal._append
    count = iter(range(100))

    def killed(path: Path, value: Mapping[str, Any]) -> None:
        if next(count) != write:
            append(path, value)
            return
        line = json.dumps(value).encode() + b"\n"
        with open(path, "ab") as handle:
            handle.write(line[: int(share * len(line))])
        raise KeyboardInterrupt

    monkeypatch.setattr(journal, "_append", killed)
    with pytest.raises(KeyboardInterrupt):
        run(wish(docs), Canned(TRUE))
    monkeypatch.setattr(journal, "_append", append)
    run(wish(docs), Canned(TRUE))
    assert lines(wish(docs).out) == lines(docs.parent / "whole.jsonl")


def test_a_stop_keeps_what_is_done_and_says_how_to_go_on(docs: Path) -> None:
    ask = Canned(TRUE)
    ask.parallel = 1
    with pytest.raises(Stopped, match=r"run (it|the same command) again"):
        run(wish(docs), ask, stop_requested=lambda: len(ask.prompts) >= 2)
    assert len(lines(wish(docs).out)) >= 2
    assert run(wish(docs), Canned(TRUE)).passages == 3
    assert len(lines(wish(docs).out)) == 6


def test_an_endpoint_that_gives_up_leaves_what_it_gave(docs: Path) -> None:
    class Dying(Canned):
        parallel = 1

        def __call__(self, messages: Sequence[Message], *, seed: int) -> str:
            if len(self.prompts) == 3:
                raise TuneryError("it is gone")
            return super().__call__(messages, seed=seed)

    with pytest.raises(TuneryError, match="it is gone"):
        run(wish(docs), Dying(TRUE))
    assert len(lines(wish(docs).out)) == 2
    run(wish(docs), Canned(TRUE))
    assert len(lines(wish(docs).out)) == 6


def test_a_passage_too_long_for_the_model_is_counted_and_the_rest_goes_on(docs: Path) -> None:
    class Small(Canned):
        def __call__(self, messages: Sequence[Message], *, seed: int) -> str:
            if SHOES in messages[-1].content:
                raise PromptTooLong(900, 512)
            return super().__call__(messages, seed=seed)

    report = run(wish(docs), Small(TRUE))
    assert report.proposed == 4
    assert report.aside == {"too_long": 2}


def test_two_calls_cannot_write_one_file(docs: Path) -> None:
    class Nosy(Canned):
        def __call__(self, messages: Sequence[Message], *, seed: int) -> str:
            with pytest.raises(BadInput, match="in use"):
                run(wish(docs), Canned(TRUE))
            return super().__call__(messages, seed=seed)

    assert run(wish(docs), Nosy(TRUE)).proposed == 6


def test_a_file_with_other_rows_is_not_written_to(docs: Path) -> None:
    out = wish(docs).out
    mine = '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n'
    out.write_text(mine)
    with pytest.raises(DataError, match=r"pairs\.jsonl line 1: .* name another file"):
        run(wish(docs), Canned(TRUE))
    assert out.read_text() == mine


def test_wishes_that_make_no_sense_are_refused(docs: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no kind of question 'riddle'; use some of fact, permission"):
        wish(docs, kinds=("riddle",))
    with pytest.raises(BadInput, match="1 to 20"):
        wish(docs, questions=0)
    with pytest.raises(BadInput, match=r"\.jsonl"):
        wish(docs, out=tmp_path / "pairs.json")
    with pytest.raises(NotThere, match="does not exist"):
        run(wish(docs, docs=tmp_path / "nothing"), Canned(TRUE))
    with pytest.raises(NotThere, match="folder"):
        run(wish(docs, out=tmp_path / "no" / "pairs.jsonl"), Canned(TRUE))
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="no passage"):
        run(wish(docs, docs=tmp_path / "empty"), Canned(TRUE))


def test_a_seed_and_a_kind_are_drawn_from_the_passage_and_not_from_its_place(docs: Path) -> None:
    first, second = Canned(TRUE), Canned(TRUE)
    first.parallel = second.parallel = 1
    run(wish(docs), first)
    (docs / "a-new-one.md").write_text(f"# Shoes\n\n{SHOES}")
    (docs / "huts.md").rename(docs / "z.md")
    run(wish(docs, out=docs.parent / "other.jsonl"), second)
    assert set(first.seeds) == set(second.seeds)
    assert len(set(first.seeds)) == 6


def test_an_unencrypted_endpoint_is_refused_before_anything_is_read(
    workspace: Workspace, tmp_path: Path
) -> None:
    with (
        pytest.raises(BadInput, match="use https"),
        open_ask(Endpoint("http://example.org/v1", "m"), workspace, tmp_path),
    ):
        pass


@pytest.mark.slow
def test_a_real_small_model_proposes_only_what_its_passage_bears_out(
    model_cache: Workspace, tmp_path: Path
) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "dogs.md").write_text("\n## ".join((EXAMPLE / "10-dogs.md").read_text().split("\n## ")[:4]))
    request = wish(docs, questions=1, answerer=LocalModel("smollm2-135m-instruct"))
    with open_ask(request.answerer, model_cache, tmp_path) as ask:
        report = run(request, ask)
        again = run(request, ask)
    rows = lines(report.out) if report.proposed else []
    assert report.passages == report.asked == report.proposed + sum(report.aside.values()) == 3
    assert (again.asked, again.before) == (0, 3)
    text = (docs / "dogs.md").read_text()
    for row in rows:
        assert row["state"] == "proposed"
        assert row["support"] >= 0.75
        assert text[row["source"]["start"] : row["source"]["end"]] == row["source"]["text"]
    assert len(lines(report.ledger)) == 3
    assert all(line["outcome"] == "proposed" or line["reason"] for line in lines(report.ledger))
