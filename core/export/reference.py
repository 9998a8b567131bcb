"""What the tuned model itself says, in float32 by transformers: the measure of every export.

Made once per run and kept in the run's shared folder, whole or not at all:

    prompts.json    the prompts, their ids by apply_chat_template, the greedy answers
    rows.npz        held-out rows: ids, the positions that predict an answer token, and for
                    each its likeliest token and the log-probability of the true one
    logprobs.npy    (positions, vocabulary) float16 log-probabilities

The whole vocabulary is kept, since the tail matters: of the KL of q8_0 on a tuned
SmolLM2, the 256 likeliest tokens and one sum for the rest show 94 %, the 16 likeliest
72 %. Rounding to float16 adds about 1e-6 nat, and would make ties of likeliest tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.export.prompts import MeasuredRow, ParityPrompt
from core.models.load import load_model, load_tokenizer
from serve.chat import Message
from tunery.files import need_room, read_json, whole_folder, write_json_whole

if TYPE_CHECKING:
    import numpy as np
    import torch

GREEDY_TOKENS = 32
# Likeliest tokens kept at each greedy position; a token beyond them is far from a tie.
ALTERNATIVES = 16
BATCH = 16
SCHEMA = 1

OnDone = Callable[[int, int], None]


@dataclass(frozen=True)
class GreedyStep:
    """One position of a greedy answer: the token, and the likeliest tokens with log-probabilities."""

    token: int
    alternatives: dict[int, float]

    def gap(self, other: int) -> float:
        """How much likelier, in nat, the chosen token is than `other`; infinite for a far one."""
        far = self.alternatives.get(other)
        return float("inf") if far is None else self.alternatives[self.token] - far


@dataclass(frozen=True)
class PromptReference:
    """A prompt, what transformers makes of it, and how the float32 model goes on.

    `hf_ids` are the ids by apply_chat_template, or None where it refuses the messages.
    `answer` ends with the stop token when there was one within GREEDY_TOKENS.
    """

    prompt: ParityPrompt
    hf_ids: tuple[int, ...] | None
    answer: tuple[GreedyStep, ...]


@dataclass(frozen=True)
class RowsReference:
    """Held-out rows end to end, and the float32 model's opinion of their answers.

    Row i is `ids[offsets[i]:offsets[i + 1]]`. `positions[j]` is a place in `ids` whose
    next token is an answer token (or its stop token); `logprobs[j]` are the
    log-probabilities of that next token, over the whole vocabulary, in float16; exact are
    `best[j]`, the likeliest token, and `true[j]`, the log-probability of the one that comes.
    """

    ids: np.ndarray[Any, Any]
    offsets: np.ndarray[Any, Any]
    positions: np.ndarray[Any, Any]
    best: np.ndarray[Any, Any]
    true: np.ndarray[Any, Any]
    logprobs: np.ndarray[Any, Any]


def make_reference(
    model_folder: Path,
    out: Path,
    *,
    key: str,
    prompts: Sequence[ParityPrompt],
    rows: Sequence[MeasuredRow],
    stop_ids: Sequence[int],
    on_prompt: OnDone,
    on_row: OnDone,
) -> None:
    """Run the merged model in `model_folder` over prompts and rows and keep what it says in `out`.

    `key` names what the reference was made from; `has_reference` compares it. The two
    callbacks get (done, of) and may raise to stop.
    """
    import torch

    positions = sum(int(row.tokens.trained.sum()) for row in rows)
    model = load_model(model_folder, dtype="float32")
    vocabulary = int(model.get_output_embeddings().weight.shape[0])
    need_room(out.parent, positions * vocabulary * 2, "the float32 reference of the parity check")
    with whole_folder(out) as folder, torch.inference_mode():
        answers = _greedy_answers(model, [prompt.ids for prompt in prompts], stop_ids, on_prompt)
        hf_ids = _template_ids(model_folder, prompts)
        kept = [_prompt_json(PromptReference(*item)) for item in zip(prompts, hf_ids, answers, strict=True)]
        _write_rows(model, rows, positions, vocabulary, folder, on_row)
        write_json_whole(folder / "prompts.json", {"schema": SCHEMA, "key": key, "prompts": kept})


def has_reference(folder: Path, key: str) -> bool:
    """Whether `folder` holds a reference that was made from what `key` names."""
    path = folder / "prompts.json"
    if not path.is_file():
        return False
    value = read_json(path)
    return bool(value["schema"] == SCHEMA and value["key"] == key)


def read_prompts(folder: Path) -> list[PromptReference]:
    """The prompts of a reference, in the order they were chosen."""
    return [_prompt_from(value) for value in read_json(folder / "prompts.json")["prompts"]]


def read_rows_reference(folder: Path) -> RowsReference:
    """The rows of a reference; the log-probabilities stay on disk until they are read."""
    import numpy as np

    with np.load(folder / "rows.npz", allow_pickle=False) as arrays:
        rows = {name: arrays[name] for name in ("ids", "offsets", "positions", "best", "true")}
    logprobs = np.load(folder / "logprobs.npy", mmap_mode="r", allow_pickle=False)
    return RowsReference(**rows, logprobs=logprobs)


def _greedy_answers(
    model: Any, prompts: Sequence[Sequence[int]], stop_ids: Sequence[int], on_done: OnDone
) -> list[tuple[GreedyStep, ...]]:
    """Greedy answers in batches of like length, so that little is padded."""
    from transformers import GenerationConfig

    # The model's own generation settings (penalties, sampling) are no part of what was trained.
    model.generation_config = GenerationConfig(eos_token_id=list(stop_ids), pad_token_id=stop_ids[0])
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    answers: dict[int, tuple[GreedyStep, ...]] = {}
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        batch = _greedy_batch(model, [prompts[index] for index in chosen], stop_ids)
        answers.update(zip(chosen, batch, strict=True))
        on_done(len(answers), len(prompts))
    return [answers[index] for index in range(len(prompts))]


def _greedy_batch(
    model: Any, prompts: Sequence[Sequence[int]], stop_ids: Sequence[int]
) -> list[tuple[GreedyStep, ...]]:
    import torch

    width = max(map(len, prompts))
    ids = torch.full((len(prompts), width), stop_ids[0])
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = 1
    made = model.generate(
        input_ids=ids,
        attention_mask=mask,
        max_new_tokens=GREEDY_TOKENS,
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
    )
    best = [logits.float().log_softmax(-1).topk(ALTERNATIVES) for logits in made.logits]
    return [
        _greedy_steps(
            made.sequences[row, width:], [(top.values[row], top.indices[row]) for top in best], stop_ids
        )
        for row in range(len(prompts))
    ]


def _greedy_steps(
    tokens: torch.Tensor, best: Sequence[tuple[torch.Tensor, torch.Tensor]], stop_ids: Sequence[int]
) -> tuple[GreedyStep, ...]:
    steps = []
    for token, (values, indices) in zip(tokens.tolist(), best, strict=True):
        alternatives = {
            index: round(value, 6) for index, value in zip(indices.tolist(), values.tolist(), strict=True)
        }
        steps.append(GreedyStep(token, alternatives))
        if token in stop_ids:
            break
    return tuple(steps)


def _template_ids(model_folder: Path, prompts: Sequence[ParityPrompt]) -> list[tuple[int, ...] | None]:
    """Ids by apply_chat_template, the field's own renderer and the oracle of ours."""
    from jinja2 import TemplateError

    tokenizer = load_tokenizer(model_folder)
    found: list[tuple[int, ...] | None] = []
    for prompt in prompts:
        turns = [message.to_dict() for message in prompt.messages]
        try:
            encoded = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=True)
        except TemplateError:
            found.append(None)
            continue
        found.append(tuple(encoded["input_ids"]))
    return found


def _write_rows(
    model: Any, rows: Sequence[MeasuredRow], count: int, vocabulary: int, folder: Path, on_done: OnDone
) -> None:
    import numpy as np
    from numpy.lib.format import open_memmap

    offsets = np.cumsum([0, *(len(row.tokens.ids) for row in rows)])
    ids = np.concatenate([row.tokens.ids for row in rows])
    positions = np.flatnonzero(np.concatenate([row.tokens.trained for row in rows])) - 1
    best, true = np.empty(count, np.int64), np.empty(count, np.float64)
    logprobs = open_memmap(folder / "logprobs.npy", mode="w+", dtype=np.float16, shape=(count, vocabulary))
    for number, start in enumerate(offsets[:-1]):
        first, last = np.searchsorted(positions, (start, offsets[number + 1]))
        here = positions[first:last]
        found = _log_probabilities(model, ids[start : offsets[number + 1]], here - start)
        logprobs[first:last], best[first:last] = found, found.argmax(1)
        true[first:last] = found[np.arange(len(here)), ids[here + 1]]
        on_done(number + 1, len(rows))
    logprobs.flush()
    np.savez(folder / "rows.npz", ids=ids, offsets=offsets, positions=positions, best=best, true=true)


def _log_probabilities(
    model: Any, ids: np.ndarray[Any, Any], positions: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """(positions, vocabulary) float32, of the token that follows each position of one row."""
    import numpy as np
    import torch

    row = torch.tensor(ids.astype(np.int64))[None]
    output = model(input_ids=row, use_cache=False, logits_to_keep=torch.tensor(positions))
    found: np.ndarray[Any, Any] = output.logits[0].float().log_softmax(-1).numpy()
    return found


def _prompt_json(reference: PromptReference) -> dict[str, Any]:
    value = asdict(reference)
    value["answer"] = [
        [step.token, *zip(*step.alternatives.items(), strict=True)] for step in reference.answer
    ]
    return value


def _prompt_from(value: dict[str, Any]) -> PromptReference:
    prompt = value["prompt"]
    messages = tuple(Message.from_dict(item) for item in prompt["messages"])
    return PromptReference(
        ParityPrompt(prompt["name"], messages, tuple(prompt["ids"]), prompt["look_alike"]),
        None if value["hf_ids"] is None else tuple(value["hf_ids"]),
        tuple(GreedyStep(token, dict(zip(ids, far, strict=True))) for token, ids, far in value["answer"]),
    )
