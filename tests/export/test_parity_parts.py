"""What parity compares, when a divergence counts, and how the certificate reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.export.certificate import DEFAULT_KL, limits_of
from core.export.greedy import _first_divergence
from core.export.prompts import ParityPrompt, choose_prompts, choose_rows, held_out_split
from core.export.reference import GreedyStep, PromptReference
from core.export.render import parity_json, parity_table
from core.models.dataset import Dataset
from core.recipe.sections import Parity
from serve.chat import ChatFormat, Message
from serve.engines.protocol import Completion

from .conftest import Bench, wish

END = 2


@pytest.fixture(scope="session")
def chat(starter_chat_folder: Path) -> ChatFormat:
    return ChatFormat.open(starter_chat_folder)


def test_held_out_rows_give_their_last_prompts_first_and_then_the_earlier_ones(
    bench: Bench, chat: ChatFormat
) -> None:
    dataset = Dataset.open(bench.inputs["dataset"])
    rows = dataset.rows("test")

    chosen = choose_prompts(dataset, chat, ["<|im_end|>"], count=len(rows) + 2, longest=400)

    held_out = [prompt for prompt in chosen if prompt.name.startswith("row ")]
    assert [prompt.messages for prompt in held_out[: len(rows)]] == [row.prompt for row in rows]
    assert [len(prompt.messages) for prompt in held_out[len(rows) :]] == [1, 1]


def test_the_hard_prompts_are_always_there_and_look_alikes_are_marked(bench: Bench, chat: ChatFormat) -> None:
    dataset = Dataset.open(bench.inputs["dataset"])

    chosen = choose_prompts(dataset, chat, ["<|im_start|>", "<|im_end|>"], count=1, longest=400)

    names = {prompt.name for prompt in chosen if prompt.look_alike}
    assert names == {"hard: look-alike <|im_end|>", "hard: look-alike turn"}
    assert {"hard: tabs", "hard: code", "hard: system prompt", "hard: several turns"} <= {
        p.name for p in chosen
    }


def test_a_prompt_that_leaves_no_room_for_an_answer_is_passed_over(bench: Bench, chat: ChatFormat) -> None:
    dataset = Dataset.open(bench.inputs["dataset"])

    assert all(len(p.ids) <= 60 for p in choose_prompts(dataset, chat, [], count=5, longest=60))


def test_without_test_rows_validation_is_held_out_and_without_both_it_is_training(
    bench: Bench, tmp_path: Path
) -> None:
    import shutil

    folder = Path(shutil.copytree(bench.inputs["dataset"], tmp_path / "data"))
    for emptied, expected in (("test", "validation"), ("validation", "train")):
        _empty(folder, emptied)
        dataset = Dataset.open(folder)
        assert held_out_split(dataset) == expected
        assert choose_rows(dataset)


def _empty(folder: Path, split: str) -> None:
    import numpy as np

    from core.models.dataset import write_tokens

    (folder / f"{split}.jsonl").write_text("")
    write_tokens(folder, split, np.zeros(0, np.int32), np.zeros(0, np.bool_), np.zeros(1, np.int64))


def test_equal_text_is_no_divergence(chat: ChatFormat) -> None:
    assert (
        _first_divergence(chat, _reference(5, 6, END), _answer(5, 6, stopped=True), frozenset({END})) is None
    )


def test_the_gap_is_what_the_reference_thinks_of_the_token_that_was_taken(chat: ChatFormat) -> None:
    near = _first_divergence(chat, _reference(5, 6), _answer(5, 7), frozenset({END}))
    far = _first_divergence(chat, _reference(5, 6), _answer(5, 999), frozenset({END}))

    assert near is not None
    assert (near.position, near.gap) == (1, pytest.approx(0.04))
    assert far is not None
    assert far.gap == float("inf")


def test_an_answer_that_ends_too_early_is_a_divergence(chat: ChatFormat) -> None:
    found = _first_divergence(chat, _reference(5, 6), _answer(5, stopped=True), frozenset({END}))

    assert found is not None
    assert (found.position, found.found) == (1, "the end")


def test_an_answer_that_goes_on_after_the_end_is_a_divergence(chat: ChatFormat) -> None:
    found = _first_divergence(chat, _reference(5, END), _answer(5, 6, 7), frozenset({END}))

    assert found is not None
    assert (found.position, found.wanted) == (1, "<|im_end|>")


def test_the_recipe_may_set_its_own_thresholds() -> None:
    assert limits_of(wish("f16")).min_greedy_agreement == 0.95
    assert limits_of(wish("q4_k_m")).min_greedy_agreement is None
    assert limits_of(wish("q4_k_m", min_greedy_agreement=0.5, max_kl=0.3)).max_kl == 0.3


def test_the_field_description_names_the_default_thresholds() -> None:
    said = str(Parity.model_fields["max_kl"].description)

    for quant, limit in DEFAULT_KL.items():
        assert f"{limit:g} {quant}" in said


def test_the_table_fits_a_terminal_of_80_columns_and_names_what_failed() -> None:
    table = parity_table([_certificate("f16", "equal"), _certificate("q8_0", "different")])

    assert max(map(len, table.splitlines())) <= 80
    assert "q8_0 is different:" in table
    assert "chat template" in table
    assert parity_json([_certificate("f16", "equal")])["verdict"] == "equal"
    assert parity_json([_certificate("q8_0", "different")])["verdict"] == "different"


def _reference(*tokens: int) -> PromptReference:
    prompt = ParityPrompt("row 1", (Message("user", "Hi"),), (1, 2, 3), look_alike=False)
    steps = tuple(GreedyStep(token, {token: -0.7, 7: -0.74, 8: -3.0}) for token in tokens)
    return PromptReference(prompt, None, steps)


def _answer(*ids: int, stopped: bool = False) -> Completion:
    return Completion(ids, "", "stop" if stopped else "length", len(ids) + stopped)


def _certificate(quant: str, verdict: str) -> dict[str, object]:
    figures = dict.fromkeys(
        (
            "greedy_agreement",
            "greedy_agreement_raw",
            "top1_agreement",
            "kl",
            "perplexity",
            "tokens_per_second",
        ),
        0.5,
    )
    subject = {
        **figures,
        "quant": quant,
        "verdict": verdict,
        "prompts": 50,
        "tokens": 2000,
        "rows": 40,
        "reference_perplexity": 4.0,
        "size_bytes": 2**27,
        "token_mismatches": 0,
        "stop_ids_equal": True,
    }
    check = {
        "name": "chat template",
        "ok": verdict == "equal",
        "text": "base has 1 " * 12,
        "examples": ["GGUF: 2"],
    }
    return {"subjects": [subject], "checks": [check], "notes": ["A note. " * 20], "builds": {"torch": "2"}}
