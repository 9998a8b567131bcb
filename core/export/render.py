"""Parity certificates as text for an 80-column terminal, and as one JSON document."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

HEAD = ("export", "tokens", "greedy (all)", "top-1", "KL", "ppl", "size", "tok/s", "verdict")
COLUMNS = (
    "tokens: ids and stop tokens; greedy: prompts with equal text, and with every divergence counted; "
    "top-1: equal likeliest token; KL in nat; ppl: perplexity."
)
WIDTH = 80


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
    lines = _aligned([HEAD, *map(_cells, subjects)])
    for text in (COLUMNS, _amount(subjects[0]), *certificates[0]["notes"], _versions(certificates[0])):
        lines += ["", *textwrap.wrap(text, WIDTH)]
    for certificate in certificates:
        lines += _failures(certificate)
    return "\n".join(lines) + "\n"


def _cells(subject: dict[str, Any]) -> tuple[str, ...]:
    agreement = (
        f"{_figure(subject, 'greedy_agreement', '.1%')} ({_figure(subject, 'greedy_agreement_raw', '.1%')})"
    )
    return (
        subject["quant"],
        _tokens(subject),
        agreement,
        _figure(subject, "top1_agreement", ".1%"),
        _figure(subject, "kl", ".2g"),
        _figure(subject, "perplexity", ".3f"),
        f"{subject['size_bytes'] / 2**20:.0f} MiB",
        _figure(subject, "tokens_per_second", ".0f"),
        subject["verdict"],
    )


def _tokens(subject: dict[str, Any]) -> str:
    if subject["token_mismatches"]:
        return f"{subject['token_mismatches']} differ"
    return "equal" if subject["stop_ids_equal"] else "stop differs"


def _amount(subject: dict[str, Any]) -> str:
    if subject["tokens"] is None:
        return f"{subject['prompts']} prompts; what comes out was not measured, since other tokens go in."
    return (
        f"{subject['prompts']} prompts, and {subject['tokens']} answer tokens of {subject['rows']} held-out "
        f"rows, on which the float32 reference has perplexity {subject['reference_perplexity']:.3f}."
    )


def _versions(certificate: dict[str, Any]) -> str:
    return (
        "Versions: " + ", ".join(f"{name} {number}" for name, number in certificate["builds"].items()) + "."
    )


def _figure(subject: dict[str, Any], name: str, form: str) -> str:
    return "-" if subject[name] is None else format(subject[name], form)


def _failures(certificate: dict[str, Any]) -> list[str]:
    wrong = [check for check in certificate["checks"] if not check["ok"]]
    if not wrong:
        return []
    lines = ["", f"{certificate['subjects'][0]['quant']} is different:"]
    for check in wrong:
        lines += textwrap.wrap(
            f"{check['name']}: {check['text']}", WIDTH, initial_indent="  ", subsequent_indent="  "
        )
        lines += [f"    {example}" for example in check["examples"]]
    return lines


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
