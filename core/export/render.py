"""Parity certificates as text and as one JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tunery.files import human_bytes

HEAD = ("export", "ids", "stop", "greedy", "all", "top-1", "KL", "perplexity", "size", "tokens/s", "verdict")


def parity_json(certificates: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All subjects in one document; the verdict is "equal" only when every one is."""
    subjects = [subject for certificate in certificates for subject in certificate["subjects"]]
    equal = all(subject["verdict"] == "equal" for subject in subjects)
    return {"subjects": subjects, "verdict": "equal" if equal else "different"}


def parity_table(certificates: Sequence[dict[str, Any]]) -> str:
    """A table of the exports, what is behind its columns, and every check that failed."""
    if not certificates:
        return "No export has been compared yet.\n"
    subjects = parity_json(certificates)["subjects"]
    first = subjects[0]
    lines = _aligned([HEAD, *map(_cells, subjects)])
    lines += [
        "",
        f"{first['prompts']} prompts and {first['tokens']} answer tokens of {first['rows']} held-out rows; "
        f"the reference (float32) has perplexity {first['reference_perplexity']:.3f}.",
        *certificates[0]["notes"],
        "Versions: "
        + ", ".join(f"{name} {number}" for name, number in certificates[0]["builds"].items())
        + ".",
    ]
    for certificate in certificates:
        lines += _failures(certificate)
    return "\n".join(lines) + "\n"


def _cells(subject: dict[str, Any]) -> tuple[str, ...]:
    mismatches = subject["token_mismatches"]
    return (
        subject["quant"],
        "equal" if not mismatches else f"{mismatches} differ",
        "equal" if subject["stop_ids_equal"] else "differ",
        f"{subject['greedy_agreement']:.1%}",
        f"{subject['greedy_agreement_raw']:.1%}",
        f"{subject['top1_agreement']:.1%}",
        f"{subject['kl']:.2g}",
        f"{subject['perplexity']:.3f}",
        human_bytes(subject["size_bytes"]),
        f"{subject['tokens_per_second']:.0f}",
        subject["verdict"],
    )


def _failures(certificate: dict[str, Any]) -> list[str]:
    wrong = [check for check in certificate["checks"] if not check["ok"]]
    if not wrong:
        return []
    lines = ["", f"{certificate['subjects'][0]['quant']} is different:"]
    for check in wrong:
        lines.append(f"  {check['name']}: {check['text']}")
        lines += [f"    {example}" for example in check["examples"]]
    return lines


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
