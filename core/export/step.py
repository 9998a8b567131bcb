"""The export step: merge, convert, quantize, and prove that nothing changed on the way.

Merged weights, the f16 file and the float32 reference are made once per run, in the
run's shared folder, and used again by the next export and by the evaluation.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.export.certificate import PARITY_FILE, Output, failure, judge, limits_of, make_certificate
from core.export.greedy import compare_greedy
from core.export.numbers import compare_numbers
from core.export.prompts import MeasuredRow, ParityPrompt, choose_prompts, choose_rows
from core.export.reference import (
    GREEDY_TOKENS,
    has_reference,
    make_reference,
    read_prompts,
    read_rows_reference,
)
from core.export.tokens import compare_tokens
from core.models.dataset import Dataset
from core.models.gguf import WEIGHTS, GgufFacts, describe_gguf, write_gguf_model
from core.models.llama_vocab import open_vocab
from core.models.merge import merge_adapters
from core.recipe.sections import Export
from core.workspace.events import Log, Metric, Progress
from core.workspace.steps import StepContext, StepResult
from serve.chat import ChatFormat
from serve.model_folder import MANIFEST_FILE, OpenModel, open_model, read_model_manifest
from tunery.errors import BadInput, BrokenIntegrity, NotThere, Stopped
from tunery.files import read_json, remove_partials, whole_folder, write_json_whole
from tunery.hashes import sha256_file, sha256_json

# Rows and tokens of each on which merged and unmerged are compared.
PROBES, PROBE_TOKENS = 4, 64


def export(wish: Export, ctx: StepContext) -> StepResult:
    """Write the tuned model as GGUF into `ctx.out`, with its parity certificate.

    Inputs: "base", "dataset", "model". Raises BrokenIntegrity when the export is not
    the model that was trained; `parity.json` in `ctx.work` then says where.
    """
    base, dataset = ctx.inputs["base"], Dataset.open(ctx.inputs["dataset"])
    rows = choose_rows(dataset)
    remove_partials(ctx.shared)
    merged = _merged(ctx, rows)
    half = _half(ctx, merged)
    prompts = _prompts(wish, base, dataset)
    reference = _reference(ctx, merged, prompts, rows)
    candidate = _candidate(ctx, wish, merged, half)
    facts = describe_gguf(candidate.weights)
    certificate = _compare(ctx, wish, candidate, facts, reference, rows, merged)
    write_json_whole(ctx.work / PARITY_FILE, certificate)
    wrong = failure(certificate)
    if wrong is not None:
        raise BrokenIntegrity(f"{wrong}; the whole certificate is {ctx.work / PARITY_FILE}")
    _keep(candidate.path, ctx)
    return _result(ctx, wish, certificate, facts)


def _merged(ctx: StepContext, rows: list[MeasuredRow]) -> OpenModel:
    """Base plus adapters in float32, from the shared folder where it is whole."""

    def fill(folder: Path) -> None:
        ctx.emit(Log(text="merging the adapter into the base model, in float32"))
        probes = [row.tokens.ids[:PROBE_TOKENS].tolist() for row in rows[:PROBES]]
        report = merge_adapters(ctx.inputs["base"], ctx.inputs["model"], folder, name=ctx.name, probes=probes)
        ctx.emit(
            Log(
                text=f"merged: KL to the base {report.kl_to_base:.3g} nat, "
                f"to the unmerged model {report.kl_to_unmerged:.1g} nat"
            )
        )

    return _shared(ctx, "merged", fill)


def _half(ctx: StepContext, merged: OpenModel) -> OpenModel:
    def fill(folder: Path) -> None:
        ctx.emit(Log(text="converting to GGUF f16"))
        base = read_model_manifest(ctx.inputs["base"]).name
        write_gguf_model(merged.path, folder, name=ctx.name, quant="f16", base=base)

    return _shared(ctx, "gguf-f16", fill)


def _shared(ctx: StepContext, name: str, fill: Callable[[Path], None]) -> OpenModel:
    """A model folder of the run: opened and verified, or made whole."""
    _stop_if_asked(ctx)
    folder = ctx.shared / name
    try:
        return open_model(folder)
    except (NotThere, BrokenIntegrity):
        with whole_folder(folder) as partial:
            fill(partial)
    return open_model(folder, verify=False)


def _prompts(wish: Export, base: Path, dataset: Dataset) -> list[ParityPrompt]:
    chat = ChatFormat.open(base)
    added = read_json(base / "tokenizer.json")["added_tokens"]
    controls = [token["content"] for token in added if token["content"].strip()]
    longest = read_model_manifest(base).context_length - GREEDY_TOKENS - 1
    prompts = choose_prompts(dataset, chat, controls, count=wish.parity.prompts, longest=longest)
    if not prompts:
        raise BadInput(
            f"no prompt leaves room for {GREEDY_TOKENS} tokens of answer in the context of {base.name}, "
            "so the export cannot be compared; use a base model with a longer context"
        )
    return prompts


def _reference(
    ctx: StepContext, merged: OpenModel, prompts: list[ParityPrompt], rows: list[MeasuredRow]
) -> Path:
    """The float32 reference of these prompts and rows, from the shared folder where it fits."""
    key = sha256_json(
        [
            sha256_file(merged.path / MANIFEST_FILE),
            [[prompt.name, prompt.ids] for prompt in prompts],
            [row.tokens.ids.tolist() for row in rows],
        ]
    )
    folder = ctx.shared / "parity-reference"
    if not has_reference(folder, key):
        ctx.emit(Log(text="asking the merged model in float32: the reference of the parity check"))
        make_reference(
            merged.path,
            folder,
            key=key,
            prompts=prompts,
            rows=rows,
            stop_ids=merged.manifest.stop_ids,
            on_prompt=_progress(ctx, "reference prompts"),
            on_row=_progress(ctx, "reference rows"),
        )
    return folder


def _candidate(ctx: StepContext, wish: Export, merged: OpenModel, half: OpenModel) -> OpenModel:
    """The export in the work folder; it moves to `ctx.out` when parity is proved."""
    _stop_if_asked(ctx)
    folder = ctx.work / "candidate"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    ctx.emit(Log(text=f"writing GGUF {wish.quant}"))
    write_gguf_model(merged.path, folder, name=ctx.name, quant=wish.quant, f16=half.weights)
    return open_model(folder)


def _compare(
    ctx: StepContext,
    wish: Export,
    candidate: OpenModel,
    facts: GgufFacts,
    reference: Path,
    rows: list[MeasuredRow],
    merged: OpenModel,
) -> dict[str, Any]:
    """The certificate. Where other tokens go in, what comes out is not measured."""
    base, prompts = read_model_manifest(ctx.inputs["base"]), read_prompts(reference)
    with open_vocab(candidate.weights) as vocab:
        tokens = compare_tokens(base, candidate, vocab, prompts, rows)
    checks, output = list(tokens.checks), None
    if all(check.ok for check in checks):
        output = Output(
            compare_greedy(candidate, prompts, tokens.ends, _progress(ctx, "prompts compared")),
            compare_numbers(
                candidate.weights, read_rows_reference(reference), _progress(ctx, "rows compared")
            ),
        )
        checks += judge(limits_of(wish), output, [row.id for row in rows])
    merged_sha256 = sha256_json([merged.manifest.files[name] for name in merged.manifest.weights])
    return make_certificate(wish, candidate, facts, checks, tokens, output, merged_sha256)


def _keep(candidate: Path, ctx: StepContext) -> None:
    """Move the proved export into the artifact; `model.json` last, since it makes a model of the folder."""
    names = sorted(path.name for path in candidate.iterdir() if path.name != MANIFEST_FILE)
    for name in (*names, MANIFEST_FILE):
        shutil.move(candidate / name, ctx.out / name)
    shutil.copyfile(ctx.work / PARITY_FILE, ctx.out / PARITY_FILE)
    candidate.rmdir()


def _result(ctx: StepContext, wish: Export, certificate: dict[str, Any], facts: GgufFacts) -> StepResult:
    subject = certificate["subjects"][0]
    figures = {
        name: float(value)
        for name, value in subject.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    ctx.emit(Metric(at=0, metrics=figures))
    fallbacks = facts.fallbacks(wish.quant)
    if fallbacks:
        names = ", ".join(f"{item.count} {item.tensor} as {item.type}" for item in fallbacks)
        ctx.emit(Log(text=f"rows that {wish.quant} cannot cut into its blocks have larger types: {names}"))
    details = {
        "parity": certificate["verdict"],
        "types": facts.types,
        "fallbacks": [vars(item) for item in fallbacks],
        "metadata": {key: value for key, value in facts.metadata.items() if key.startswith("general.")},
        "weights": WEIGHTS,
    }
    return StepResult(metrics=figures, details=details)


def _progress(ctx: StepContext, what: str) -> Callable[[int, int], None]:
    """Reports (done, of), and stops the step there when a person asked for it."""

    def report(done: int, of: int) -> None:
        ctx.emit(Progress(what=what, done=done, of=of))
        _stop_if_asked(ctx)

    return report


def _stop_if_asked(ctx: StepContext) -> None:
    if ctx.stop_requested():
        raise Stopped("the export was asked to stop; resume goes on from what is whole")
