"""The packaged SmolLM2 unpacked for real: same weights, same tokens, and it talks."""

import pytest

from core.models.load import load_model, load_tokenizer
from core.models.starters import STARTERS, find_starter_gguf
from serve.chat import Message
from serve.model_folder import open_model

HARD = (
    "Order 12345 costs 99.50 EUR on 2024-01-02; call +43 660 1234567",
    "I'm sure WE'LL can't 'RE\n\n\tdef f(x):\n        return x² ½ ³",
    "Ünïcode 日本語 １２３ ٣٤ ๔๕ 🙂\u200d 🏔️ ==== ----- ```` ....!!!",
    "   leading, trailing   \n \n\r\n",
)


def test_the_tokenizer_cuts_text_as_llama_cpp_does_with_the_packaged_file(starter_chat_folder):
    from llama_cpp import Llama

    from serve.chat import ChatFormat

    chat = ChatFormat.open(starter_chat_folder)
    packaged = Llama(
        str(find_starter_gguf(STARTERS["smollm2-135m-instruct"])), vocab_only=True, verbose=False
    )
    for text in HARD:
        expected = packaged.tokenize(text.encode(), add_bos=False, special=False)
        assert chat.encode_text(text) == list(expected)
    assert chat.vocab_size == packaged.n_vocab()


@pytest.mark.slow
def test_the_weights_are_the_packaged_ones_bit_by_bit(starter_folder):
    import numpy as np
    from gguf import GGUFReader
    from gguf.quants import dequantize
    from safetensors.numpy import load_file

    reader = GGUFReader(str(find_starter_gguf(STARTERS["smollm2-135m-instruct"])))
    packaged = {tensor.name: tensor for tensor in reader.tensors}
    saved = load_file(starter_folder / "model.safetensors")
    for ours, theirs in (
        ("model.embed_tokens.weight", "token_embd.weight"),
        ("model.layers.7.mlp.down_proj.weight", "blk.7.ffn_down.weight"),
        ("model.layers.29.self_attn.v_proj.weight", "blk.29.attn_v.weight"),
        ("model.norm.weight", "output_norm.weight"),
    ):
        tensor = packaged[theirs]
        values = dequantize(tensor.data, tensor.tensor_type)
        assert saved[ours].dtype == np.float32
        assert np.array_equal(saved[ours], values.reshape(saved[ours].shape)), ours
    assert len(saved) == len(packaged)


@pytest.mark.slow
def test_the_unpacked_starter_knows_the_capital_of_france_and_stops(starter_folder):
    import torch

    opened = open_model(starter_folder)
    assert (opened.manifest.name, opened.manifest.context_length) == ("smollm2-135m-instruct", 8192)
    assert opened.manifest.stop_ids == (load_tokenizer(starter_folder).convert_tokens_to_ids("<|im_end|>"),)
    prompt = opened.chat.render(
        [Message("user", "What is the capital of France?")], add_generation_prompt=True
    )
    model = load_model(starter_folder, dtype="float32")
    with torch.no_grad():
        answer = model.generate(torch.tensor([prompt.ids]), max_new_tokens=20, do_sample=False)[
            0, len(prompt.ids) :
        ]
    assert opened.chat.decode(answer.tolist()) == "The capital of France is Paris."
    assert answer[-1] in opened.manifest.stop_ids
