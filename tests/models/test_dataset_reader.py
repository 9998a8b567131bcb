"""The dataset's files: what was written comes back, and what was changed is refused."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.models.dataset import Dataset, Row, write_rows, write_tokens
from core.models.examples import Conversation, example_id
from serve.chat import Message
from tunery.errors import BrokenIntegrity, NotThere

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
messages = st.lists(st.builds(Message, st.sampled_from(["user", "assistant"]), texts), min_size=1, max_size=4)


def talk(turns):
    return Conversation(tuple(turns))


def write(folder, name, rows):
    lengths = [len(ids) for ids, _ in rows]
    write_tokens(
        folder,
        name,
        np.array([number for ids, _ in rows for number in ids], dtype=np.int32),
        np.array([mark for _, marks in rows for mark in marks], dtype=np.bool_),
        np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64),
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 99999), st.booleans()), min_size=1, max_size=9), max_size=9)
)
def test_tokens_come_back_row_by_row(tmp_path, rows):
    write(tmp_path, "train", [([number for number, _ in row], [mark for _, mark in row]) for row in rows])
    split = Dataset.open(tmp_path).split("train")
    assert len(split) == len(rows)
    assert [list(zip(row.ids.tolist(), row.trained.tolist(), strict=True)) for row in split] == rows
    assert split.lengths.tolist() == [len(row) for row in rows]
    assert split.trained_lengths.tolist() == [sum(mark for _, mark in row) for row in rows]


def test_rows_are_reached_from_both_ends_and_by_slices(tmp_path):
    write(tmp_path, "train", [([n] * (n + 1), [True] * (n + 1)) for n in range(4)])
    split = Dataset.open(tmp_path).split("train")
    assert split[-1].ids.tolist() == [3, 3, 3, 3]
    assert [row.ids[0] for row in split[1:3]] == [1, 2]
    for index in (4, -5):
        with pytest.raises(IndexError):
            split[index]
    assert split[0].ids.dtype == np.int32
    assert split[0].trained.dtype == np.bool_


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(messages, max_size=5))
def test_conversations_come_back_letter_by_letter(tmp_path, conversations):
    rows = [
        Row(example_id(talk(turns)), "a.jsonl", line, talk(turns))
        for line, turns in enumerate(conversations, 1)
    ]
    write_rows(tmp_path / "test.jsonl", rows)
    assert Dataset(tmp_path).rows("test") == rows


@given(messages, messages)
def test_equal_conversations_and_no_others_have_equal_ids(one, two):
    assert (example_id(talk(one)) == example_id(talk(two))) == (one == two)
    assert len(example_id(talk(one))) == 16


def test_a_folder_without_a_dataset_is_not_there(tmp_path):
    with pytest.raises(NotThere, match="run the recipe's prepare step"):
        Dataset.open(tmp_path)


def test_files_that_somebody_changed_are_refused(tmp_path):
    write(tmp_path, "train", [([1, 2], [True, False])])
    dataset = Dataset.open(tmp_path)
    (tmp_path / "train.ids.npy").write_bytes(b"nonsense")
    with pytest.raises(BrokenIntegrity, match="run the prepare step again"):
        dataset.split("train")
    (tmp_path / "test.jsonl").write_text('{"id": 1}\n')
    with pytest.raises(BrokenIntegrity, match=r"test\.jsonl line 1 is not what was written"):
        dataset.rows("test")


def test_pickles_are_never_read(tmp_path):
    write(tmp_path, "train", [([1, 2], [True, False])])
    np.save(tmp_path / "train.ids.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(BrokenIntegrity):
        Dataset.open(tmp_path).split("train")


def test_arrays_that_do_not_belong_together_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="do not belong together"):
        write_tokens(tmp_path, "train", np.zeros(3, np.int32), np.zeros(2, np.bool_), np.array([0, 3]))
