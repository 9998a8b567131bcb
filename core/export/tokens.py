"""Parity of what goes in: the same conversation is the same token ids everywhere.

Compared are the base model's folder as training used it, the exported folder through
`serve.chat`, transformers' `apply_chat_template`, and the tokenizer inside the GGUF.
Where a message spells a control token, our renderer is the reference: it keeps the
look-alike as text, while the other two make a control token of it, by their design.
There the texts are compared one by one, with control tokens off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.export.checks import Check, check_all, check_equal
from core.export.prompts import MeasuredRow
from core.export.reference import PromptReference
from core.models.llama_vocab import LlamaVocab
from serve.chat import ChatFormat, Rendered
from serve.model_folder import ModelManifest, OpenModel
from tunery.errors import BadInput
from tunery.hashes import sha256_text


@dataclass(frozen=True)
class TokenParity:
    """`mismatches` counts prompts whose ids differ anywhere, `ends` are llama.cpp's own stop tokens."""

    checks: tuple[Check, ...]
    prompts: int
    mismatches: int
    stop_ids_equal: bool
    ends: frozenset[int]


def compare_tokens(
    base: ModelManifest,
    exported: OpenModel,
    vocab: LlamaVocab,
    prompts: Sequence[PromptReference],
    rows: Sequence[MeasuredRow],
) -> TokenParity:
    """Check template, tokenizer, stop tokens, and the ids of every prompt and held-out row."""
    ends = vocab.ends()
    stops = _check_stops(base, exported, vocab, ends)
    plain = [item for item in prompts if not item.prompt.look_alike]
    alike = [item for item in prompts if item.prompt.look_alike]
    rendered = {item.prompt.name: _rendered(exported.chat, item) for item in prompts}
    wrong = {
        "ids of renderer": (prompts, _differences(prompts, _ids(rendered)), "prompts"),
        "ids of apply_chat_template": (
            plain,
            _differences(plain, {item.prompt.name: list(item.hf_ids or ()) for item in plain}),
            f"prompts ({len(alike)} more spell a control token and differ by design)",
        ),
        "ids of GGUF tokenizer": (
            prompts,
            _differences(plain, _gguf_ids(vocab, rendered)) | _text_differences(exported.chat, vocab, alike),
            f"prompts ({len(alike)} of them as text alone)",
        ),
    }
    checks = (
        _check_template(base, exported, vocab),
        check_equal(
            "tokenizer", [("base", base.files["tokenizer.json"][:12]), ("export", _tokenizer_hash(exported))]
        ),
        stops,
        _check_bos(exported, prompts),
        check_all("training ids", len(rows), _row_differences(exported.chat, rows), what="held-out rows"),
        *(
            check_all(name, len(compared), list(found.values()), what=what)
            for name, (compared, found, what) in wrong.items()
        ),
    )
    mismatches = {prompt for _, found, _ in wrong.values() for prompt in found}
    return TokenParity(checks, len(prompts), len(mismatches), stops.ok, ends)


def _check_template(base: ModelManifest, exported: OpenModel, vocab: LlamaVocab) -> Check:
    inside = sha256_text(vocab.template) if vocab.template is not None else "none"
    return check_equal(
        "chat template",
        [
            ("base", base.template_sha256[:12]),
            ("export", exported.manifest.template_sha256[:12]),
            ("GGUF", inside[:12]),
        ],
    )


def _tokenizer_hash(exported: OpenModel) -> str:
    return exported.manifest.files["tokenizer.json"][:12]


def _check_stops(base: ModelManifest, exported: OpenModel, vocab: LlamaVocab, ends: frozenset[int]) -> Check:
    """The export stops where the base does, and llama.cpp knows each of these tokens as an end."""
    same = check_equal(
        "stop tokens", [("base", list(base.stop_ids)), ("export", list(exported.manifest.stop_ids))]
    )
    if not same.ok:
        return same
    unknown = sorted(set(base.stop_ids) - ends)
    if unknown:
        return Check("stop tokens", False, f"GGUF: llama.cpp does not end an answer at {unknown}")
    if vocab.eos_id not in base.stop_ids:
        return Check(
            "stop tokens", False, f"GGUF: its eos is {vocab.eos_id}, base stops at {list(base.stop_ids)}"
        )
    return Check("stop tokens", True, f"{list(base.stop_ids)} in base, export, GGUF")


def _check_bos(exported: OpenModel, prompts: Sequence[PromptReference]) -> Check:
    bos = exported.manifest.bos_id
    doubled = [
        f"{item.prompt.name} begins with it twice"
        for item in prompts
        if bos is not None and item.prompt.ids[:2] == (bos, bos)
    ]
    return check_all("BOS not doubled", len(prompts), doubled, what="prompts")


def _row_differences(chat: ChatFormat, rows: Sequence[MeasuredRow]) -> list[str]:
    """Rows whose ids or trained spans are not those that training saw."""
    wrong = []
    for row in rows:
        try:
            rendered = chat.render(row.messages, add_generation_prompt=False)
        except BadInput as error:
            wrong.append(f"row {row.id}: {error}")
            continue
        trained = [position for start, end in rendered.assistant for position in range(start, end)]
        seen = row.tokens.ids.tolist()
        if rendered.ids != seen:
            wrong.append(f"row {row.id}: {_first_difference(seen, rendered.ids)}")
        elif trained != row.tokens.trained.nonzero()[0].tolist():
            wrong.append(f"row {row.id}: other tokens are trained")
    return wrong


def _rendered(chat: ChatFormat, item: PromptReference) -> Rendered:
    """A prompt by the exported folder; empty where its template refuses the messages."""
    try:
        return chat.render(item.prompt.messages, add_generation_prompt=True)
    except BadInput:
        return Rendered([], [], "")


def _ids(rendered: dict[str, Rendered]) -> dict[str, list[int]]:
    return {name: prompt.ids for name, prompt in rendered.items()}


def _gguf_ids(vocab: LlamaVocab, rendered: dict[str, Rendered]) -> dict[str, list[int]]:
    return {name: vocab.tokenize(prompt.text, control=True) for name, prompt in rendered.items()}


def _text_differences(
    chat: ChatFormat, vocab: LlamaVocab, prompts: Sequence[PromptReference]
) -> dict[str, str]:
    """Prompts with a message whose ids as mere text differ between our tokenizer and the GGUF's."""
    wrong = {}
    for item in prompts:
        for message in item.prompt.messages:
            ours, theirs = chat.encode_text(message.content), vocab.tokenize(message.content, control=False)
            if ours != theirs:
                wrong[item.prompt.name] = f"{item.prompt.name}: {_first_difference(ours, theirs)}"
    return wrong


def _differences(prompts: Sequence[PromptReference], found: dict[str, list[int]]) -> dict[str, str]:
    return {
        item.prompt.name: f"{item.prompt.name}: {_first_difference(item.prompt.ids, found[item.prompt.name])}"
        for item in prompts
        if list(item.prompt.ids) != found[item.prompt.name]
    }


def _first_difference(wanted: Sequence[int], found: Sequence[int]) -> str:
    place = next(
        (place for place, (one, other) in enumerate(zip(wanted, found, strict=False)) if one != other),
        min(len(wanted), len(found)),
    )
    here = [list(ids[place : place + 3]) for ids in (wanted, found)]
    return f"from token {place} on {here[1]} instead of {here[0]} ({len(found)} ids instead of {len(wanted)})"
