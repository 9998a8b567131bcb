from pathlib import Path

import numpy as np
import pytest

import core.evaluate.losses as losses
from core.models.dataset import TokenRow
from core.models.gguf import write_gguf_model
from core.models.llama_logits import BATCH, open_logits
from serve.chat import ChatFormat, Message
from tunery.errors import BadInput, TuneryError


def random_row(length: int, trained: list[int], seed: int = 0) -> TokenRow:
    ids = np.random.default_rng(seed).integers(3, 49000, length).astype(np.int32)
    marks = np.zeros(length, bool)
    marks[trained] = True
    return TokenRow(ids, marks)


ROWS = [
    random_row(12, [5, 6, 7], seed=1),
    random_row(40, [*range(10, 20), *range(30, 40)], seed=2),
    random_row(300, [*range(100, 290)], seed=3),
    random_row(5, [0, 1], seed=4),
    random_row(5, [], seed=5),
]


@pytest.fixture(scope="module")
def tiny_gguf(tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny-gguf")
    write_gguf_model(tiny_model_folder, folder, name="tiny", quant="f16")
    return folder / "model.gguf"


def test_torch_loss_is_transformers_own_loss_on_the_marked_tokens(tiny_model_folder: Path) -> None:
    import torch

    from core.models.load import load_model

    model = load_model(tiny_model_folder, dtype="float32")
    found = list(losses.torch_losses(tiny_model_folder, ROWS[:3]))
    for row, loss in zip(ROWS, found, strict=False):
        ids = torch.tensor(row.ids, dtype=torch.long)[None]
        labels = torch.where(torch.tensor(row.trained)[None], ids, -100)
        with torch.inference_mode():
            mean = float(model(input_ids=ids, labels=labels).loss)
        assert loss.tokens == row.trained.sum()
        assert loss.nats / loss.tokens == pytest.approx(mean, abs=1e-5)


def test_the_first_token_has_no_prediction_and_is_not_counted(
    tiny_model_folder: Path, tiny_gguf: Path
) -> None:
    for found in (losses.torch_losses(tiny_model_folder, ROWS[3:]), losses.llama_losses(tiny_gguf, ROWS[3:])):
        first, none = found
        assert first.tokens == 1
        assert (none.nats, none.tokens) == (0, 0)


def test_pieces_of_logits_give_the_same_loss(
    tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = list(losses.torch_losses(tiny_model_folder, ROWS[:3]))
    monkeypatch.setattr(losses, "LOGIT_BYTES", 7 * 4 * 49152)
    pieces = list(losses.torch_losses(tiny_model_folder, ROWS[:3]))
    assert [loss.tokens for loss in pieces] == [loss.tokens for loss in whole]
    assert [loss.nats for loss in pieces] == pytest.approx([loss.nats for loss in whole], rel=1e-6)


def test_llama_cpp_agrees_with_torch_across_its_batches(tiny_model_folder: Path, tiny_gguf: Path) -> None:
    assert len(ROWS[2].ids) > BATCH
    expected = list(losses.torch_losses(tiny_model_folder, ROWS))
    found = list(losses.llama_losses(tiny_gguf, ROWS, threads=1))
    for one, other in zip(expected, found, strict=True):
        assert one.tokens == other.tokens
        assert other.nats == pytest.approx(one.nats, abs=0.01 * max(1, one.tokens))


def test_one_row_says_nothing_about_the_next(tiny_gguf: Path) -> None:
    alone = list(losses.llama_losses(tiny_gguf, ROWS[1:2], threads=1))
    after = list(losses.llama_losses(tiny_gguf, ROWS[:3], threads=1))
    assert after[1].nats == pytest.approx(alone[0].nats, abs=1e-3)


def test_the_stop_token_of_an_answer_is_counted(starter_chat_folder: Path) -> None:
    chat = ChatFormat.open(starter_chat_folder)
    rendered = chat.render([Message("user", "Hi"), Message("assistant", "Yes")], add_generation_prompt=False)
    ((start, end),) = rendered.assistant
    assert rendered.ids[end - 1] in chat.stop_ids
    assert chat.decode(rendered.ids[start:end]) == "Yes"


def test_a_row_longer_than_the_context_is_refused(tiny_gguf: Path) -> None:
    row = random_row(600, [599])
    with (
        open_logits(tiny_gguf, context_length=256, threads=1) as reader,
        pytest.raises(BadInput, match="600"),
    ):
        list(reader.pieces(row.ids, row.trained))


def test_a_file_that_is_no_gguf_fails_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"nothing")
    with pytest.raises(TuneryError, match="cannot load"), open_logits(tmp_path / "x.gguf", context_length=64):
        pass


@pytest.mark.slow
def test_the_real_starter_scores_alike_in_torch_and_as_gguf(starter_folder: Path, tmp_path: Path) -> None:
    chat = ChatFormat.open(starter_folder)
    talk = [
        Message("user", "What is the capital of France?"),
        Message("assistant", "The capital of France is Paris."),
    ]
    rendered = chat.render(talk, add_generation_prompt=False)
    trained = np.zeros(len(rendered.ids), bool)
    for start, end in rendered.assistant:
        trained[start:end] = True
    row = TokenRow(np.array(rendered.ids, np.int32), trained)
    write_gguf_model(starter_folder, tmp_path, name="starter", quant="f16")
    (exact,) = losses.torch_losses(starter_folder, [row])
    (gguf,) = losses.llama_losses(tmp_path / "model.gguf", [row], threads=1)
    # Were labels off by one, the loss of this easy answer would be near 10.
    assert exact.nats / exact.tokens < 1
    assert gguf.nats == pytest.approx(exact.nats, abs=0.02 * exact.tokens)
