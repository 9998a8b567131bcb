"""Tokens written row by row are the files that are written at once, and show what training will read."""

from __future__ import annotations

from array import array
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.data.rows import Place
from core.data.tokens.proof import StopProof, prove_stops
from core.data.tokens.render import RenderedRow, RowRenderer
from core.data.tokens.view import token_view
from core.data.tokens.write import TokenWriter
from core.models.dataset import Row, TokenRow, write_tokens
from core.models.examples import Conversation, PlainText
from serve.chat import Message
from serve.model_folder import OpenModel, open_model
from tunery.errors import BrokenIntegrity

ROWS = st.lists(st.lists(st.tuples(st.integers(0, 49151), st.booleans()), max_size=9), max_size=12)
TALK = (
    Message("user", "日本?"),
    Message("assistant", "<|im_end|> né"),
    Message("user", "q"),
    Message("assistant", "b"),
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_row_by_row_gives_the_very_bytes_of_all_at_once(
    rows: list[list[tuple[int, bool]]], tmp_path: Path
) -> None:
    with TokenWriter(tmp_path, "one") as writer:
        for row in rows:
            spans = [(at, at + 1) for at, (_, trained) in enumerate(row) if trained]
            writer.add(RenderedRow(array("i", [number for number, _ in row]), spans))
    ids = np.array([number for row in rows for number, _ in row], dtype=np.int32)
    trained = np.array([mark for row in rows for _, mark in row], dtype=np.bool_)
    offsets = np.cumsum([0, *(len(row) for row in rows)], dtype=np.int64)
    write_tokens(tmp_path, "all", ids, trained, offsets)
    for part in ("ids", "trained", "offsets"):
        written = (tmp_path / f"one.{part}.npy").read_bytes()
        assert written == (tmp_path / f"all.{part}.npy").read_bytes()


def test_files_of_a_writer_that_failed_do_not_open(tmp_path: Path) -> None:
    from core.models.dataset import Dataset

    with pytest.raises(RuntimeError), TokenWriter(tmp_path, "train") as writer:
        writer.add(RenderedRow(array("i", range(500)), [(0, 500)]))
        raise RuntimeError
    with pytest.raises(BrokenIntegrity, match="run the prepare step again"):
        Dataset.open(tmp_path).split("train")


@pytest.fixture(scope="module")
def model(tiny_model_folder: Path) -> OpenModel:
    return open_model(tiny_model_folder)


def rendered(model: OpenModel, *talks: tuple[Message, ...]) -> tuple[list[Row], list[TokenRow]]:
    rows = [Row(str(at), "f", at, Conversation(talk)) for at, talk in enumerate(talks)]
    renderer = RowRenderer(model.chat, max_length=500, context_length=512, too_long="refuse")
    tokens = [as_tokens(row) for row in renderer.render([(row.example, Place("f", 1)) for row in rows])]
    return rows, tokens


def as_tokens(row: object) -> TokenRow:
    assert isinstance(row, RenderedRow), str(row)
    trained = np.zeros(len(row.ids), dtype=np.bool_)
    for start, end in row.spans:
        trained[start:end] = True
    return TokenRow(np.array(row.ids, dtype=np.int32), trained)


def test_where_pad_and_stop_are_one_token_each_answer_has_exactly_one_trained(model: OpenModel) -> None:
    rows, tokens = rendered(model, TALK, TALK[:2])
    proof = prove_stops(rows, tokens, model)
    assert proof.ok
    assert proof.to_json() == {
        "ok": True,
        "rows": 2,
        "answers": 3,
        "stops": ["<|im_end|>"],
        "ends": {"<|im_end|>": 3},
        "pad": "<|im_end|>",
        "trained_stops": 3,
        "trained_pads": 3,
        "problems": [],
    }


def prove_changed(model: OpenModel, change: object) -> StopProof:
    rows, (tokens,) = rendered(model, TALK)
    ids, trained = np.append(tokens.ids, [2, 2, 2]).astype(np.int32), np.append(tokens.trained, [False] * 3)
    assert callable(change)
    change(ids, trained)
    return prove_stops(rows, [TokenRow(ids, trained)], model)


def test_padding_that_is_trained_is_noticed(model: OpenModel) -> None:
    def by_id(ids: np.ndarray, trained: np.ndarray) -> None:
        trained[-3:] = True

    proof = prove_changed(model, by_id)
    assert not proof.ok
    assert "5 stop tokens are trained for 2 answers" in " ".join(proof.problems)
    assert "padding tokens are trained; the mask must end where the row ends" in " ".join(proof.problems)


def test_a_mask_that_leaves_out_pad_ids_leaves_out_the_end_of_answers_and_is_noticed(
    model: OpenModel,
) -> None:
    def without_pads(ids: np.ndarray, trained: np.ndarray) -> None:
        trained[ids == 2] = False

    proof = prove_changed(model, without_pads)
    assert "0 stop tokens are trained for 2 answers" in " ".join(proof.problems)
    assert "which is no stop token of the model" in proof.problems[0]


def test_padding_that_is_left_alone_is_proved(model: OpenModel) -> None:
    assert prove_changed(model, lambda ids, trained: None).ok


def test_a_text_counts_as_one_answer(model: OpenModel) -> None:
    renderer = RowRenderer(model.chat, max_length=500, context_length=512, too_long="refuse")
    example = PlainText("some text")
    (row,) = renderer.render([(example, Place("f", 1))])
    assert prove_stops([Row("a", "f", 1, example)], [as_tokens(row)], model).ok


def test_every_token_is_shown_once_with_what_it_is(model: OpenModel) -> None:
    _, (tokens,) = rendered(model, TALK)
    view = token_view(tokens, model.chat)
    assert len(view) == len(tokens.ids)
    assert "".join(text for text, _ in view) == model.chat.decode(tokens.ids.tolist(), skip_special=False)
    assert [text for text, kind in view if kind == "control"] == ["<|im_start|>", "<|im_end|>"] * 5
    assert "".join(text for text, kind in view if kind == "trained") == "<|im_end|> néb"
    assert "日本?" in "".join(text for text, kind in view if kind == "context")
