"""The data report as one HTML page that needs nothing else: no script, no font, no link.

Rows are hostile text: everything that comes from them is escaped, and the page forbids
its reader's browser to load or run anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from core.data.bars import Bar, bars_svg, bins
from core.data.telling import in_order, proven, quantiles
from tunery.shown import harmless
from tunery.version import __version__

Report = Mapping[str, Any]

# The severities in the order in which they matter, with their plurals.
SEVERITIES = {"error": "errors", "warning": "warnings", "note": "notes"}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = Path(__file__).with_suffix(".css")
GROUPS_SHOWN = 30


def report_page(report: Report, title: str) -> str:
    """The page of a report in its JSON form (see core/data/report.py); `title` names what was looked at."""
    sections = (
        _sources(report),
        _lengths(report),
        _tokens(report),
        _steps(report),
        _splits(report),
        _groups("Tasks", report.get("tasks") or {}),
        _groups("Labels", report.get("labels") or {}),
        _proof(report.get("proof") or {}),
    )
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{_text(title)} – data report</title>",
            f"<style>\n{_STYLE.read_text(encoding='utf-8')}</style></head><body>",
            _head(report, title),
            *(section for section in sections if section),
            f"<footer>Written by Tunery {_text(__version__)}. Figures count rows as they were read; "
            "line numbers are those of the files.</footer>",
            "</body></html>",
            "",
        )
    )


def _head(report: Report, title: str) -> str:
    rows, usable = report["rows"], report["usable"]
    counts = dict.fromkeys(SEVERITIES, 0)
    for source in report["sources"]:
        for finding in source["findings"]:
            counts[finding["severity"]] += 1
    tiles = [(_count(rows), "rows read"), (_count(usable), "usable as they are")]
    tiles += [(_count(counts[name]), f"kinds of {plural}") for name, plural in SEVERITIES.items()]
    tokens = report.get("tokens") or {}
    if tokens.get("trained") is not None:
        tiles.append((_count(tokens["trained"]), f"tokens trained, {_count(tokens['context'])} only read"))
    shown = "".join(f'<div class="tile"><b>{figure}</b><span>{about}</span></div>' for figure, about in tiles)
    about = '<p class="soft">What a model would learn from.</p>'
    return f'<h1>{_text(title)}</h1>{about}<div class="tiles">{shown}</div>'


def _sources(report: Report) -> str:
    return "<h2>Sources and what was found in them</h2>" + "".join(map(_source, report["sources"]))


def _source(source: Report) -> str:
    how = "found by looking" if source["detected"] else "as the recipe says"
    rows = f"{_count(source['rows'])} rows, {_count(source['usable'])} usable"
    about = f"{rows}; {source['format']} ({how}), {source['file_format']}"
    order = list(SEVERITIES)
    findings = sorted(source["findings"], key=lambda finding: order.index(finding["severity"]))
    shown = "".join(map(_finding, findings)) or '<p class="soft">Nothing odd was found.</p>'
    heading = f'<h3>{_text(source["path"])}</h3><p class="soft">{_text(about)}</p>'
    return f'<section class="card">{heading}{shown}</section>'


def _finding(finding: Report) -> str:
    severity = finding["severity"]
    examples = "".join(
        f"<li><span>line {_count(example['line'])}</span><code>{_text(example['text'])}</code></li>"
        for example in finding["examples"]
    )
    code = finding["code"].replace("_", " ")
    return (
        f'<div class="finding"><span class="badge {_text(severity)}">{_text(severity)}</span>'
        f'<strong>{_text(code)}</strong><span class="soft">{_rows(finding["count"])}</span>'
        f'<ul class="examples">{examples}</ul><p class="fix">{_text(finding["fix"])}</p></div>'
    )


def _lengths(report: Report) -> str:
    lengths = report.get("lengths") or {}
    bars = bins(lengths)
    if not bars:
        return ""
    told = quantiles(report.get("tokens") or {})
    about = f'<p class="soft">Rows: {_text(told)}.</p>' if told else ""
    return f"<h2>Length of rows in {_text(lengths['unit'])}</h2><div class=card>{bars_svg(bars)}{about}</div>"


def _tokens(report: Report) -> str:
    parts = {
        **{source["path"]: source["tokens"] for source in report["sources"] if source.get("tokens")},
        **{f"task {name}": tokens for name, tokens in (report.get("tokens_by_task") or {}).items()},
    }
    bars = [
        Bar(name, tokens["trained"], tokens["context"])
        for name, tokens in parts.items()
        if tokens.get("trained") is not None
    ]
    if not bars:
        return ""
    legend = (
        '<p class="legend"><i style="background:var(--blue)"></i>trained'
        '<i style="background:var(--blue-soft)"></i>only read</p>'
    )
    return f"<h2>Tokens</h2><div class=card>{bars_svg(bars)}{legend}</div>"


def _steps(report: Report) -> str:
    steps = [
        (
            step["step"],
            _count(step["rows_in"]),
            _count(step["rows_out"]),
            _count(step["changed"]),
            step["about"],
        )
        for step in report.get("steps") or ()
    ]
    dropped = [
        (code.replace("_", " "), _count(count)) for code, count in (report.get("dropped") or {}).items()
    ]
    shown = _table(("step", "rows in", "rows out", "changed", "what was done"), steps) if steps else ""
    if dropped:
        shown += "<h3>Left out, and why</h3>" + _table(("reason", "rows"), dropped)
    return f"<h2>What was done to the rows</h2><div class=card>{shown}</div>" if shown else ""


def _splits(report: Report) -> str:
    splits = in_order(report.get("splits") or {})
    if not splits:
        return ""
    with_tokens = any(facts.get("trained") is not None for facts in splits.values())
    rows = [
        (
            name,
            _count(facts["rows"]),
            *((_count(facts.get("trained")), _count(facts.get("context"))) if with_tokens else ()),
        )
        for name, facts in splits.items()
    ]
    headings = ("split", "rows", *(("tokens trained", "only read") if with_tokens else ()))
    return f"<h2>Splits</h2><div class=card>{_table(headings, rows)}</div>"


def _groups(title: str, groups: Mapping[str, int]) -> str:
    if not groups:
        return ""
    ranked = sorted(groups.items(), key=lambda item: (-item[1], item[0]))
    more = len(ranked) - GROUPS_SHOWN
    rest = f'<p class="soft">and {_count(more)} more</p>' if more > 0 else ""
    return (
        f"<h2>{title}</h2><div class=card>"
        f"{bars_svg([Bar(name, count) for name, count in ranked[:GROUPS_SHOWN]])}{rest}</div>"
    )


def _proof(proof: Report) -> str:
    return f"<h2>Where answers stop</h2><div class=card>{_text(proven(proof))}</div>" if proof else ""


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns whose cells are figures stand on the right."""
    rows = list(rows)
    right = [all(_is_figure(row[column]) for row in rows) for column in range(len(headings))]

    def line(tag: str, cells: Sequence[str]) -> str:
        shown = (
            f"<{tag}{' class=n' if number else ''}>{_text(cell)}</{tag}>"
            for cell, number in zip(cells, right, strict=True)
        )
        return f"<tr>{''.join(shown)}</tr>"

    body = "".join(line("td", row) for row in rows)
    return f'<div class="scroll"><table>{line("th", headings)}{body}</table></div>'


def _is_figure(cell: str) -> bool:
    return cell.replace(",", "").isdigit() or cell == "–"


def _rows(count: int) -> str:
    return f"{_count(count)} row{'' if count == 1 else 's'}"


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _text(text: object) -> str:
    return escape(harmless(str(text)), quote=True)
