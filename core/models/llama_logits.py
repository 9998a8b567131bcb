"""Logits of a GGUF file at chosen positions, through llama-cpp-python.

The serving engine gives only its top log-probabilities. This reads all of them, from
another build of llama.cpp than the one that serves (xllamacpp); see `engine_name`.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from tunery.errors import BadInput, TuneryError

# Messages of the library go nowhere; failures are return values. It must outlive the library's use of it.
_SILENT = llama_cpp.llama_log_callback(lambda *_: None)

# Tokens in one call; bounds the logits in memory to this many rows of the vocabulary.
BATCH = 256


def engine_name() -> str:
    """Name and version of what computes these logits."""
    return f"llama-cpp-python {version('llama-cpp-python')}"


def start_quietly() -> None:
    """Start the library with its messages off. May be called again."""
    llama_cpp.llama_log_set(_SILENT, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()


@contextmanager
def open_logits(gguf: Path, *, context_length: int, threads: int | None = None) -> Iterator[LogitReader]:
    """Load a GGUF file for the time of the block. All cores by default.

    `context_length` is the longest row in tokens. Raises TuneryError when llama.cpp
    cannot load the file; check its hash before, since a damaged file may load.
    """
    start_quietly()
    model = llama_cpp.llama_model_load_from_file(str(gguf).encode(), llama_cpp.llama_model_default_params())
    if model is None:
        raise TuneryError(f"llama.cpp cannot load {gguf}; make the export again")
    try:
        context = llama_cpp.llama_init_from_model(model, _context_settings(context_length, threads))
        if context is None:
            raise TuneryError(
                f"llama.cpp has no memory for a context of {context_length} tokens with {gguf}; "
                "close other programs and run again"
            )
        batch = llama_cpp.llama_batch_init(BATCH, 0, 1)
        try:
            yield LogitReader(model, context, batch)
        finally:
            llama_cpp.llama_batch_free(batch)
            llama_cpp.llama_free(context)
    finally:
        llama_cpp.llama_model_free(model)


class LogitReader:
    """Reads one row of token ids after another; made by `open_logits`."""

    def __init__(self, model: Any, context: Any, batch: Any) -> None:
        self._context = context
        self._batch = batch
        self._length = int(llama_cpp.llama_n_ctx(context))
        self.vocab_size = int(llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model)))

    def pieces(
        self, ids: Sequence[int], wanted: NDArray[np.bool_]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Logits after each token where `wanted` (length of `ids`) is true, a piece at a time.

        Yields positions (k,) and logits (k, vocabulary), k up to `BATCH`; the logits at
        position t are of the token at t + 1. Raises BadInput when the row is too long.
        """
        if len(ids) > self._length:
            raise BadInput(f"a row of {len(ids)} tokens does not fit into a context of {self._length}")
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self._context), True)
        last = int(np.flatnonzero(wanted)[-1]) + 1 if wanted.any() else 0
        for start in range(0, last, BATCH):
            end = min(start + BATCH, last)
            self._decode(ids, wanted, start, end)
            asked = np.flatnonzero(wanted[start:end])
            if len(asked):
                yield asked + start, np.stack([self._read(int(place)) for place in asked])

    def _decode(self, ids: Sequence[int], wanted: NDArray[np.bool_], start: int, end: int) -> None:
        batch = self._batch
        batch.n_tokens = end - start
        for place, position in enumerate(range(start, end)):
            batch.token[place] = int(ids[position])
            batch.pos[place] = position
            batch.n_seq_id[place] = 1
            batch.seq_id[place][0] = 0
            batch.logits[place] = bool(wanted[position])
        code = llama_cpp.llama_decode(self._context, batch)
        if code:
            raise TuneryError(f"llama.cpp could not compute logits (code {code}); run again")

    def _read(self, place: int) -> NDArray[np.float32]:
        pointer = llama_cpp.llama_get_logits_ith(self._context, place)
        if not pointer:
            raise TuneryError("llama.cpp gave no logits for a position that was asked for; run again")
        # A view: `np.stack` copies it before the next call overwrites it.
        return np.ctypeslib.as_array(pointer, shape=(self.vocab_size,))


def _context_settings(context_length: int, threads: int | None) -> Any:
    settings = llama_cpp.llama_context_default_params()
    cores = threads or len(os.sched_getaffinity(0))
    settings.n_ctx = context_length
    settings.n_batch = settings.n_ubatch = BATCH
    settings.n_seq_max = 1
    settings.n_threads = settings.n_threads_batch = cores
    settings.no_perf = True
    return settings
