"""What the recipe says to do with rows that are bad, long, alike or private: done, counted, kept aside."""

import json
import random

import pytest

from core.data import gather, leaks, tokenize
from core.models.dataset import Dataset
from core.recipe.data import DataSource
from serve.chat import ChatFormat

WORDS = [
    f"{a}{b}" for a in ("ba", "de", "fi", "go", "ku", "la", "me") for b in ("rn", "st", "lt", "mp", "ss")
]


def conversation(question, answer="Fine."):
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def many(count, prefix="Question"):
    return [conversation(f"{prefix} {number}?") for number in range(count)]


def sentence(number, words=40):
    """A sentence of its own for every number."""
    return " ".join(random.Random(number).choices(WORDS, k=words))


def rows(bench, split="train"):
    return Dataset.open(bench.out).rows(split)


def test_bad_rows_are_dropped_when_the_recipe_says_so_and_kept_aside(bench):
    bench.write("a.jsonl", [*many(30), conversation("Q", ""), *many(5, "More")])
    with (bench.folder / "a.jsonl").open("a") as file:
        file.write("{broken\n")
    bench.prepare("a.jsonl", data={"clean": {"bad_rows": "drop"}})
    assert bench.dropped() == [("a.jsonl", 31, "empty_turn"), ("a.jsonl", 37, "broken_json")]
    report = bench.report()
    assert report["dropped"] == {"broken_json": 1, "empty_turn": 1}
    assert {finding["severity"] for finding in report["sources"][0]["findings"]} == {"warning"}
    assert [(step["step"], step["rows_in"], step["rows_out"]) for step in report["steps"][:2]] == [
        ("read", 37, 37),
        ("check", 37, 35),
    ]
    kept = json.loads((bench.out / "dropped.jsonl").read_text().splitlines()[0])
    assert kept["row"] == conversation("Q", "")


def test_more_lost_rows_than_the_threshold_allows_refuse_the_run(bench):
    bench.write("a.jsonl", [*many(12), *(conversation(f"Q{n}", "") for n in range(4))])
    text = bench.refusal("a.jsonl", data={"clean": {"bad_rows": "drop"}})
    assert text.startswith("25% of 16 rows are bad or too long (4), cut (0) or without a trained token (0)")
    bench.prepare("a.jsonl", data={"clean": {"bad_rows": "drop"}, "refuse_above": 0.3})
    assert len(rows(bench)) == 10


def test_a_question_without_an_answer_is_cut_off_where_the_recipe_says_trim(bench):
    open_ended = conversation("Q", "A")
    open_ended["messages"].append({"role": "user", "content": "And then?"})
    bench.write("a.jsonl", [*many(15), open_ended])
    assert "ends with a user turn" in bench.refusal("a.jsonl")
    bench.prepare("a.jsonl", validation=0, test=0, data={"clean": {"unanswered": "trim"}})
    assert [turn.content for row in rows(bench) if row.line == 16 for turn in row.messages] == ["Q", "A"]
    bench.prepare("a.jsonl", validation=0, test=0, data={"clean": {"unanswered": "drop"}})
    assert bench.dropped() == [("a.jsonl", 16, "unanswered")]


def test_a_long_conversation_loses_its_oldest_turns_and_never_the_last_answer(bench):
    turns = [
        {"role": role, "content": f"{role} {number} " + "word " * 40}
        for number in range(4)
        for role in ("user", "assistant")
    ]
    long = {"messages": [{"role": "system", "content": "Be brief."}, *turns]}
    bench.write("a.jsonl", [*many(30), long])
    assert "tokens long and train.max_length is 300" in bench.refusal("a.jsonl", max_length=300)
    bench.prepare("a.jsonl", max_length=300, validation=0, test=0, data={"too_long": "truncate"})
    (cut,) = [row for row in rows(bench) if row.line == 31]
    assert cut.messages[0].content == "Be brief."
    assert cut.messages[1].role == "user"
    assert cut.messages[-1].content == turns[-1]["content"]
    position = rows(bench).index(cut)
    tokens = Dataset.open(bench.out).split("train")[position]
    chat = ChatFormat.open(bench.base)
    assert len(tokens.ids) <= 300
    assert tokens.ids.tolist() == chat.render(cut.messages, add_generation_prompt=False).ids
    assert tokens.trained[tokens.trained.nonzero()[0][-1]]
    assert int(tokens.ids[tokens.trained][-1]) in chat.stop_ids
    (step,) = [step for step in bench.report()["steps"] if step["step"] == "tokens"]
    assert step["changed"] == 1


def test_long_rows_are_dropped_and_counted_where_the_recipe_says_drop(bench):
    bench.write("a.jsonl", [*many(30), conversation("Q", "word " * 600)])
    bench.prepare("a.jsonl", data={"too_long": "drop"})
    assert bench.dropped() == [("a.jsonl", 31, "longer_than_context")]


def test_an_answer_that_cannot_fit_is_never_cut(bench):
    bench.write("a.jsonl", [*many(30), conversation("Q", "word " * 600)])
    bench.prepare("a.jsonl", data={"too_long": "truncate"})
    assert bench.dropped() == [("a.jsonl", 31, "answer_too_long")]


def test_rows_of_another_kind_say_which_method_learns_from_them(bench):
    pairs = [{"prompt": f"P{n}", "chosen": f"good {n}", "rejected": f"bad {n}"} for n in range(20)]
    bench.write("pairs.jsonl", pairs)
    text = bench.refusal("pairs.jsonl", data={"clean": {"bad_rows": "drop"}})
    assert "a preference pair, which methods dpo, orpo and reward learn from" in text


def test_near_duplicates_are_dropped_and_never_on_both_sides(bench):
    texts = [sentence(number) for number in range(30)]
    near = [text + " indeed" for text in texts[:10]]
    bench.write("a.jsonl", [conversation(text, text) for text in (*texts, *near)])
    bench.prepare("a.jsonl", validation=0.2, test=0.2)
    place = {
        row.messages[0].content: split
        for split in ("train", "validation", "test")
        for row in rows(bench, split)
    }
    assert len(place) == 40
    assert all(place[text] == place[other] for text, other in zip(texts, near, strict=False))
    bench.prepare("a.jsonl", data={"clean": {"near_duplicates": 0.8}})
    assert [line for _, line, reason in bench.dropped() if reason == "near_duplicate"] == list(range(31, 41))


def test_a_training_row_that_holds_a_test_answer_is_left_out(bench):
    held = [conversation(f"Held {number}?", sentence(number)) for number in range(3)]
    around = " ".join(f"other{n} and" for n in range(15))
    leaking = conversation("Tell me all", f"{around} {sentence(1)} {around}")
    bench.write("held.jsonl", held)
    bench.write("train.jsonl", [*many(30), leaking])
    bench.prepare("train.jsonl", validation=0, test={"path": "held.jsonl"})
    assert bench.dropped() == [("train.jsonl", 31, "leak")]
    (finding,) = [item for item in bench.report()["sources"][0]["findings"] if item["code"] == "leak"]
    assert "of the passages of held.jsonl line 2" in finding["examples"][0]["text"]
    off = {"clean": {"leakage": {"enabled": False}}}
    bench.prepare("train.jsonl", validation=0, test={"path": "held.jsonl"}, data=off)
    assert bench.dropped() == []


def test_personal_data_is_replaced_by_stable_placeholders(bench):
    mail, other = "ann.lee@example.org", "bo@example.org"
    private = conversation(f"Write to {mail} and {other}", f"I wrote to {other}, then to {mail}.")
    bench.write("a.jsonl", [*many(20), private])
    bench.prepare("a.jsonl", validation=0, test=0, data={"clean": {"redact": ["email"]}})
    (row,) = [row for row in rows(bench) if row.line == 21]
    assert [turn.content for turn in row.messages] == [
        "Write to <EMAIL_1> and <EMAIL_2>",
        "I wrote to <EMAIL_2>, then to <EMAIL_1>.",
    ]
    assert not any(mail in path.read_text("utf-8", "replace") for path in bench.out.iterdir())


def test_rows_that_are_left_out_are_kept_without_personal_data_too(bench):
    mail = "ann.lee@example.org"
    bad = {**conversation(f"I am {mail}", ""), "note": [f"from {mail}"]}
    short = conversation(f"Who is {mail}?", "?")
    bench.write("a.jsonl", [*many(30), bad, short])
    clean = {"redact": ["email"], "bad_rows": "drop", "min_answer_characters": 3}
    bench.prepare("a.jsonl", data={"clean": clean})
    assert [reason for _, _, reason in bench.dropped()] == ["empty_turn", "short_answer"]
    assert not any(mail in path.read_text("utf-8", "replace") for path in bench.out.iterdir())
    kept = json.loads((bench.out / "dropped.jsonl").read_text().splitlines()[0])
    assert kept["row"]["note"] == ["from <EMAIL_1>"]


def test_half_characters_are_dropped_and_kept_aside_as_what_they_are(bench):
    bench.write("a.jsonl", [*many(30), conversation("Q", "half \ud83d"), {**many(1)[0], "note": "\ud83d"}])
    bench.prepare("a.jsonl", data={"clean": {"bad_rows": "drop"}})
    assert bench.dropped() == [("a.jsonl", 31, "lone_surrogate")]
    kept = json.loads((bench.out / "dropped.jsonl").read_text().splitlines()[0])
    assert kept["row"]["messages"][1]["content"] == "half \ud83d"


def test_rows_that_differ_in_their_tool_calls_alone_are_different_rows():
    from core.data.examine import said
    from core.data.layouts import LAYOUTS, to_example
    from core.data.rows import Place, RawRow

    def example(city):
        call = {"type": "function", "function": {"name": "weather", "arguments": {"city": city}}}
        turns = [{"role": "user", "content": "How is it?"}, {"role": "assistant", "tool_calls": [call]}]
        return to_example(RawRow(Place("a", 1), {"messages": turns}), LAYOUTS["messages"], {})

    assert said(example("Rome")) != said(example("Oslo"))


def test_weights_and_tasks_reach_training_and_the_report(bench):
    bench.write("a.jsonl", many(20, "A"))
    bench.write("b.jsonl", many(20, "B"))
    sources = (
        DataSource(path="a.jsonl", task="greet", weight=2),
        DataSource(path="b.jsonl", task="leave", weight=0.5),
    )
    bench.prepare(*sources, validation=0.1, test=0.1)
    kept = rows(bench)
    greet = sum(row.task == "greet" for row in kept)
    held = sum(row.task == "greet" for split in ("validation", "test") for row in rows(bench, split))
    assert greet == 2 * (20 - held)
    assert sum(row.task == "leave" for row in kept) < 16
    assert len(Dataset.open(bench.out).split("train")) == len(kept)
    report = bench.report()
    assert report["tasks"] == {"greet": 20, "leave": 20}
    assert report["tokens_by_task"]["greet"]["rows"] == greet + held
    (step,) = [step for step in report["steps"] if step["step"] == "balance"]
    assert "sees" in step["about"]


def test_an_earlier_runs_rows_are_replayed(bench):
    bench.write("old.jsonl", many(40, "Old"))
    bench.prepare("old.jsonl")
    before = bench.out / "train.jsonl"
    bench.write("new.jsonl", many(50, "New"))
    bench.prepare("new.jsonl", data={"replay": {"run": str(before), "share": 0.2}})
    kept = [row.messages[0].content.split()[0] for row in rows(bench)]
    assert kept.count("New") == 40
    assert kept.count("Old") == 10
    assert all(row.messages[0].content.startswith("New") for row in rows(bench, "test"))


def test_an_earlier_runs_texts_and_conversations_are_read_as_they_were_written(bench):
    bench.write("old.jsonl", many(12, "Old"))
    (bench.folder / "old.txt").write_text("".join(f"A sentence about {number}.\n" for number in range(12)))
    bench.prepare("old.jsonl", "old.txt", validation=0, test=0)
    bench.prepare(str(bench.out / "train.jsonl"), validation=0, test=0)
    kinds = [row.example.kind for row in rows(bench)]
    assert (kinds.count("conversation"), kinds.count("text")) == (12, 12)
    assert bench.report()["sources"][0]["findings"] == []


def test_a_test_file_that_is_the_training_file_says_that_all_rows_leaked(bench):
    bench.write("a.jsonl", many(20))
    assert "after 20 leak were left out" in bench.refusal("a.jsonl", test={"path": "a.jsonl"})


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_any_number_of_processes_makes_the_same_bytes(bench, kind, monkeypatch):
    texts = [sentence(number) for number in range(150)]
    if kind == "jsonl":
        bench.write("a.jsonl", [conversation(text, text[::-1]) for text in (*texts, *texts[:20])])
    else:
        lines = [f'"{text}","{text[::-1]}"' for text in (*texts, *texts[:20])]
        (bench.folder / "a.csv").write_text("prompt,completion\n" + "\n".join(lines) + "\n")
    clean = {"duplicates": "drop", "near_duplicates": 0.9, "bad_rows": "drop"}

    broken = ["{broken", json.dumps(conversation("Q", "")), json.dumps(conversation("Q", "")), "{broken"]
    if kind == "jsonl":
        with (bench.folder / "a.jsonl").open("a") as file:
            file.write("\n".join(broken) + "\n")

    def made():
        bench.prepare(f"a.{kind}", data={"clean": clean})
        return {path.name: path.read_bytes() for path in bench.out.iterdir()}

    alone = made()
    monkeypatch.setattr(gather, "ALONE_BYTES", 0)
    monkeypatch.setattr(gather, "BATCH_ROWS", 7)
    monkeypatch.setattr(leaks, "ALONE_ROWS", 0)
    monkeypatch.setattr(tokenize, "ALONE_ROWS", 0)
    assert made() == alone


def test_the_card_says_what_it_holds_and_what_was_done(bench):
    bench.write("a.jsonl", [*many(30), *many(5)])
    bench.prepare("a.jsonl", data={"clean": {"duplicates": "drop"}})
    card = (bench.out / "card.md").read_text()
    assert "| a.jsonl | messages (detected) | 35 | 35 |" in card
    assert "| duplicate | 35 | 30 | 0 |" in card
    assert "| train | 24 |" in card


def test_the_proof_of_stop_tokens_is_in_the_report(bench):
    bench.write("a.jsonl", many(40))
    bench.prepare("a.jsonl")
    proof = bench.report()["proof"]
    assert proof["ok"]
    assert (proof["rows"], proof["answers"], proof["trained_stops"]) == (20, 20, 20)
    assert proof["pad"] in proof["stops"]


def test_a_source_that_nobody_reviewed_is_refused(bench):
    generated = {**conversation("Q"), "source": {"document": "a.md"}, "support": 1.0, "state": "proposed"}
    bench.write("a.jsonl", [*many(15), generated])
    assert "tunery data review" in bench.refusal("a.jsonl")
    rejected = {**generated, **conversation("R"), "state": "rejected"}
    bench.write("a.jsonl", [*many(15), {**generated, "state": "accepted"}, rejected])
    bench.prepare("a.jsonl")
    assert bench.report()["usable"] == 16
    assert bench.dropped() == [("a.jsonl", 17, "rejected")]
    assert {finding["code"] for finding in bench.report()["sources"][0]["findings"]} == {"rejected"}
