"""The tokenizer inside a GGUF file, through llama-cpp-python; the weights are not loaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import llama_cpp

from core.models.llama_logits import start_quietly
from tunery.errors import TuneryError


@contextmanager
def open_vocab(gguf: Path) -> Iterator[LlamaVocab]:
    """Read the vocabulary of a GGUF file for the time of the block. Raises TuneryError when it has none."""
    start_quietly()
    settings = llama_cpp.llama_model_default_params()
    settings.vocab_only = True
    model = llama_cpp.llama_model_load_from_file(str(gguf).encode(), settings)
    if model is None:
        raise TuneryError(f"llama.cpp cannot read the vocabulary of {gguf}; make the export again")
    try:
        yield LlamaVocab(model)
    finally:
        llama_cpp.llama_model_free(model)


class LlamaVocab:
    """Made by `open_vocab`. Ids are None where the file names no such token."""

    def __init__(self, model: Any) -> None:
        self._vocab = llama_cpp.llama_model_get_vocab(model)
        self.size = int(llama_cpp.llama_vocab_n_tokens(self._vocab))
        self.eos_id = _id(llama_cpp.llama_vocab_eos(self._vocab))
        self.bos_id = _id(llama_cpp.llama_vocab_bos(self._vocab))
        self.adds_bos = bool(llama_cpp.llama_vocab_get_add_bos(self._vocab))
        template = llama_cpp.llama_model_chat_template(model, None)
        self.template: str | None = None if template is None else template.decode("utf-8", "replace")

    def ends(self) -> frozenset[int]:
        """Every token at which llama.cpp ends an answer."""
        return frozenset(
            token for token in range(self.size) if llama_cpp.llama_vocab_is_eog(self._vocab, token)
        )

    def tokenize(self, text: str, *, control: bool) -> list[int]:
        """Ids of `text`, no BOS added. With `control`, spelled control tokens become their ids."""
        raw = text.encode("utf-8")
        # A token is at least a byte; some tokenizers put a blank before the text.
        room = len(raw) + 8
        ids = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(self._vocab, raw, len(raw), ids, room, False, control)
        if count < 0:
            raise TuneryError("llama.cpp could not tokenize a prompt of the parity check; run again")
        return list(ids[:count])


def _id(token: int) -> int | None:
    return None if token < 0 else int(token)
