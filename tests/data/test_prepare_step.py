"""The prepare step on files in a recipe's folder, with a tiny model that has a real tokenizer."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from core.models.dataset import Dataset
from core.recipe.data import DataSource
from core.workspace.events import Progress
from serve.chat import ChatFormat
from serve.model_folder import write_model_manifest
from tunery.errors import DataError, NoRoom, Stopped

SHARED = Path(__file__).parents[2] / "../shared/data"


def conversation(question, answer="Fine."):
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def many(count, prefix="Question"):
    return [conversation(f"{prefix} {number}?") for number in range(count)]


def test_a_dataset_holds_the_rows_and_their_tokens_side_by_side(bench, tiny_rows):
    result = bench.prepare(tiny_rows.name)
    dataset = Dataset.open(bench.out)
    chat = ChatFormat.open(bench.base)
    sizes = {}
    for name in ("train", "validation", "test"):
        rows, tokens = dataset.rows(name), dataset.split(name)
        sizes[name] = len(rows)
        assert len(tokens) == len(rows)
        for row, token_row in zip(rows, tokens, strict=True):
            rendered = chat.render(row.messages, add_generation_prompt=False)
            assert token_row.ids.tolist() == rendered.ids
            trained = {p for start, end in rendered.assistant for p in range(start, end)}
            assert set(np.flatnonzero(token_row.trained).tolist()) == trained
    assert sizes == {"train": 32, "validation": 4, "test": 4}
    assert result.metrics["rows"] == 40
    assert result.metrics["train_rows"] == 32
    assert result.details["formats"] == {"tiny.jsonl": "messages"}


def test_the_report_counts_tokens_as_the_files_do(bench, tiny_rows):
    result = bench.prepare(tiny_rows.name)
    report = json.loads((bench.out / "report.json").read_text())
    dataset = Dataset.open(bench.out)
    for name, facts in report["splits"].items():
        tokens = dataset.split(name)
        assert facts["rows"] == len(tokens)
        assert facts["trained"] == tokens.trained_lengths.sum() == sum(row.trained.sum() for row in tokens)
        assert facts["trained"] + facts["context"] == tokens.lengths.sum()
        assert facts["lengths"]["max"] == max(tokens.lengths)
    (source,) = report["sources"]
    assert set(source) >= {"path", "format", "rows", "usable", "findings", "tokens"}
    assert set(source["tokens"]) >= {"trained", "context", "max_length"}
    assert (source["format"], source["detected"], source["rows"], source["usable"]) == (
        "messages",
        True,
        40,
        40,
    )
    assert report["tokens"]["trained"] == result.metrics["tokens_trained"]


def test_the_same_rows_and_seed_make_the_same_files_whatever_the_order_of_sources(bench):
    bench.write("a.jsonl", many(20, "A"))
    bench.write("b.jsonl", many(20, "B"))
    bench.prepare("a.jsonl", "b.jsonl")
    told = ("report.json", "card.md")  # They tell of the sources in the recipe's order.
    first = {path.name: path.read_bytes() for path in bench.out.iterdir() if path.name not in told}
    bench.prepare("b.jsonl", "a.jsonl")
    assert first == {path.name: path.read_bytes() for path in bench.out.iterdir() if path.name not in told}


def test_copies_of_a_row_are_reported_and_never_on_both_sides(bench):
    bench.write("a.jsonl", many(30) + many(10))
    bench.write("b.jsonl", many(5))
    result = bench.prepare("a.jsonl", "b.jsonl", validation=0.2, test=0.2)
    dataset = Dataset.open(bench.out)
    ids = [{row.id for row in dataset.rows(name)} for name in ("train", "validation", "test")]
    assert sum(map(len, ids)) == len(set.union(*ids)) == 30
    assert result.metrics["duplicates"] == 15
    report = json.loads((bench.out / "report.json").read_text())
    (finding,) = report["sources"][0]["findings"]
    assert (finding["code"], finding["severity"], finding["count"]) == ("duplicate", "warning", 10)
    assert finding["examples"][0] == {"line": 31, "text": "like line 1"}


def test_a_test_file_is_the_test_split_in_its_own_order(bench):
    bench.write("train.jsonl", many(20))
    bench.write("held.jsonl", many(7, "Held"))
    bench.prepare("train.jsonl", test={"path": "held.jsonl"})
    dataset = Dataset.open(bench.out)
    assert [row.line for row in dataset.rows("test")] == [1, 2, 3, 4, 5, 6, 7]
    assert len(dataset.split("validation")) == 2
    assert len(dataset.split("train")) == 18


def test_training_rows_that_are_also_test_rows_are_left_out_and_told(bench):
    bench.write("train.jsonl", many(20))
    bench.write("held.jsonl", [*many(3, "Held"), *many(2)])
    bench.prepare("train.jsonl", validation=0, test={"path": "held.jsonl"})
    dataset = Dataset.open(bench.out)
    assert len(dataset.rows("test")) == 5
    assert not {row.id for row in dataset.rows("train")} & {row.id for row in dataset.rows("test")}
    report = json.loads((bench.out / "report.json").read_text())
    assert report["dropped"] == {"leak": 2}
    assert "leak" in {finding["code"] for finding in report["sources"][0]["findings"]}
    dropped = [json.loads(line) for line in (bench.out / "dropped.jsonl").read_text().splitlines()]
    assert [(row["source"], row["line"], row["reason"]) for row in dropped] == [
        ("train.jsonl", 1, "leak"),
        ("train.jsonl", 2, "leak"),
    ]
    assert dropped[0]["row"]["messages"][0]["content"] == "Question 0?"


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        (conversation("Q", ""), "turn 2 (assistant) is empty"),
        ({"messages": [{"role": "user", "content": "Q"}]}, "the conversation has no assistant turn"),
        (
            {"messages": [*conversation("Q")["messages"], {"role": "user", "content": "?"}]},
            "ends with a user turn",
        ),
        (conversation("Q", "word " * 400), "434 tokens long and train.max_length is 300"),
        (conversation("Q", "word " * 900), "the model reads at most 512"),
        (conversation("Q", " \nspaced"), "melts into the template's own text"),
        (conversation("Q", "half \ud83d"), "half a character (a lone surrogate)"),
        ({"prompt": "Q", "completion": "A"}, "lacks `messages`"),
    ],
)
def test_one_bad_row_refuses_the_run_with_file_line_and_reason(bench, bad, what):
    bench.write("a.jsonl", [*many(15), bad, *many(5, "More")])
    text = bench.refusal("a.jsonl", max_length=300)
    assert text.startswith("a.jsonl line 16: ")
    assert what in text
    assert "\n" not in text
    assert DataError.exit_code == 2


def test_several_bad_rows_are_counted_behind_the_first(bench):
    bench.write("a.jsonl", [*many(12), *(conversation(f"Q{n}", "word " * 600) for n in range(3))])
    assert bench.refusal("a.jsonl").endswith("(and 2 more rows cannot be used)")


def test_max_length_beyond_the_context_means_the_context(bench, tiny_rows):
    bench.prepare(tiny_rows.name, max_length=4096)
    report = json.loads((bench.out / "report.json").read_text())
    assert report["tokens"]["max_length"] == 512


def test_the_format_of_the_recipe_decides_over_what_was_seen(bench):
    rows = [{**conversation(f"Q{n}"), "prompt": f"P{n}", "completion": "C"} for n in range(12)]
    bench.write("a.jsonl", rows)
    assert "say which with `format`" in bench.refusal("a.jsonl")
    bench.prepare(DataSource(path="a.jsonl", format="prompt_completion"))
    assert Dataset.open(bench.out).rows("train")[0].messages[1].content == "C"


def test_prepare_stops_when_asked(bench, tiny_rows):
    with pytest.raises(Stopped):
        bench.prepare(tiny_rows.name, stop=lambda: True)
    assert list(bench.out.iterdir()) == []


def test_a_full_disk_is_noticed_before_anything_is_written(bench, tiny_rows, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 100, 0))
    with pytest.raises(NoRoom, match="the dataset needs"):
        bench.prepare(tiny_rows.name)
    assert list(bench.out.iterdir()) == []


def test_progress_goes_up_to_all_rows(bench, tiny_rows):
    bench.prepare(tiny_rows.name)
    for what in ("rows read", "rows"):
        steps = [
            (event.done, event.of)
            for event in bench.events
            if isinstance(event, Progress) and event.what == what
        ]
        assert steps[-1] == (40, 40)
        assert steps == sorted(steps)


def test_files_of_one_name_from_two_folders_stay_apart(bench, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        bench.write(f"{name}/a.jsonl", many(10, name))
    bench.prepare(str(tmp_path / "one" / "a.jsonl"), str(tmp_path / "two" / "a.jsonl"), validation=0, test=0)
    rows = Dataset.open(bench.out).rows("train")
    assert {(row.source, row.messages[0].content.split()[0]) for row in rows} == {
        ("a.jsonl", "one"),
        ("a.jsonl (2)", "two"),
    }


def test_a_thousand_real_alpaca_rows_are_prepared(bench, tmp_path):
    if not (SHARED / "alpaca_en_demo.json").is_file():
        pytest.skip("the shared data folder is absent")
    assert "the model reads at most 512" in bench.refusal("alpaca_en_demo.json", folder=SHARED)
    bench.base = shutil.copytree(bench.base, tmp_path / "longer")
    write_model_manifest(
        bench.base,
        name="longer",
        format="safetensors",
        quant=None,
        weights=["model.safetensors"],
        context_length=2048,
    )
    result = bench.prepare("alpaca_en_demo.json", folder=SHARED, max_length=1024)
    assert result.details["formats"] == {"alpaca_en_demo.json": "alpaca"}
    assert result.metrics["rows"] == 999
    assert result.metrics["longest_row"] <= 1024
    dataset = Dataset.open(bench.out)
    assert len(dataset.split("test")) == len(dataset.split("validation")) == 100
    lines = SHARED.joinpath("alpaca_en_demo.json").read_text(encoding="utf-8").split("\n")
    row = dataset.rows("test")[0]
    assert "{" in lines[row.line - 1]
    assert json.dumps(row.messages[0].content[:20], ensure_ascii=False)[1:-1] in "".join(
        lines[row.line - 1 : row.line + 2]
    )
