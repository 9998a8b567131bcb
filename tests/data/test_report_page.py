"""The data report as a page: whole in itself, and safe whatever the rows hold."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from core.data.bars import Bar, bars_svg, bins
from core.data.page import report_page
from core.data.telling import in_order, proven


def report(**changes: Any) -> dict[str, Any]:
    """A report with one finding of every severity."""
    return {
        "rows": 1200,
        "usable": 1190,
        "sources": [source()],
        "splits": {
            "train": {"rows": 960, "trained": 20_000, "context": 40_000},
            "test": {"rows": 230, "trained": None},
        },
        "steps": [{"step": "clean", "rows_in": 1200, "rows_out": 1190, "changed": 3, "about": "bad rows"}],
        "dropped": {"too_short": 10},
        "tasks": {"support": 700, "chat": 490},
        "labels": {},
        "lengths": {"unit": "characters", "edges": [0, 16, 32, 64, 128], "counts": [0, 300, 0, 890]},
        "tokens": {
            "trained": 20_000,
            "context": 40_000,
            "max_length": 512,
            "lengths": {"p50": 71, "max": 500},
        },
        "tokens_by_task": {},
        "proof": {"rows": 20, "answers": 24, "stops": ["<|im_end|>"], "pad": "<pad>", "problems": []},
        **changes,
    }


def source(text: str = "Where is my parcel?", **changes: Any) -> dict[str, Any]:
    findings = [
        {
            "code": code,
            "severity": severity,
            "count": 12,
            "examples": [{"line": 14, "text": text}],
            "fix": "set data.clean.unanswered: drop",
        }
        for code, severity in (("duplicate", "warning"), ("ignored_key", "note"), ("unanswered", "error"))
    ]
    return {
        "path": "data/tickets.jsonl",
        "format": "messages",
        "file_format": "jsonl",
        "detected": True,
        "rows": 1200,
        "usable": 1190,
        "findings": findings,
        "tokens": {"trained": 20_000, "context": 40_000, "max_length": 512, "lengths": {}},
        **changes,
    }


class Elements(HTMLParser):
    """Every element with its attributes, and the text outside of the style sheet."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text.append(data)


KNOWN = {
    *("html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "div", "b", "span", "section"),
    *("strong", "ul", "li", "code", "svg", "text", "rect", "i", "table", "tr", "th", "td", "footer"),
}


def assert_harmless(page: str) -> Elements:
    found = Elements(page)
    assert found.open == []
    for tag, attributes in found.elements:
        assert tag in KNOWN
        assert not any(name.startswith("on") or name in ("src", "href") for name in attributes)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style and "url(" not in style[1] and "@import" not in style[1]
    return found


def test_the_page_says_what_the_report_says_most_important_first() -> None:
    found = assert_harmless(report_page(report(), "tickets"))
    text = " ".join(found.text)
    for said in ("1,200", "1,190", "line 14", "Where is my parcel?", "too short", "support", "32 – 63"):
        assert said in text
    assert text.index("unanswered") < text.index("duplicate") < text.index("ignored key")
    assert "each of 24 answers ends with a trained stop token (<|im_end|>)" in text
    assert "half up to 71, the longest 500 of at most 512 tokens" in text


def test_a_row_that_holds_a_script_is_shown_and_not_run() -> None:
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;"
    page = report_page(report(sources=[source(hostile, path=hostile)], tasks={hostile: 1}), hostile)
    found = assert_harmless(page)
    assert hostile in found.text
    assert "script" not in {tag for tag, _ in found.elements}


@given(st.text(), st.text())
def test_no_text_breaks_out_of_the_page(text: str, name: str) -> None:
    page = report_page(report(sources=[source(text, path=name)], tasks={name: 3}), text)
    assert_harmless(page)
    page.encode("utf-8")


def test_a_text_cannot_turn_the_line_around() -> None:
    assert "\u202e" not in report_page(report(sources=[source("abc\u202edcba")]), "x")


def test_an_empty_report_is_a_page_too() -> None:
    bare = {
        "rows": 0,
        "usable": 0,
        "sources": [],
        "lengths": {"unit": "characters", "edges": [0], "counts": []},
    }
    assert "rows read" in " ".join(assert_harmless(report_page(bare, "nothing")).text)


def test_equal_reports_give_equal_pages() -> None:
    assert report_page(report(), "a") == report_page(report(), "a")


def test_bins_leave_out_the_empty_ends_and_keep_the_gaps() -> None:
    lengths = {"edges": [0, 16, 32, 64, 128], "counts": [0, 5, 0, 2]}
    assert bins(lengths) == [Bar("16 – 31", 5), Bar("32 – 63", 0), Bar("64 – 127", 2)]
    assert bins({"edges": [0], "counts": []}) == []


def test_a_bar_is_as_long_as_its_share_of_the_largest() -> None:
    drawn = bars_svg([Bar("a", 100), Bar("b", 25), Bar("c", 0)])
    widths = [float(width) for width in re.findall(r'<rect class="bar"[^>]*width="([\d.]+)"', drawn)]
    assert widths[1] == widths[0] / 4
    assert 0 < widths[2] < 2


def test_two_figures_are_drawn_one_behind_the_other_and_both_are_written() -> None:
    drawn = bars_svg([Bar("a", 100, 300), Bar("b", 100)])
    bar, rest = (
        [float(width) for width in re.findall(rf'<rect class="{part}"[^>]*width="([\d.]+)"', drawn)]
        for part in ("bar", "rest")
    )
    assert rest == [3 * bar[0]]
    assert "100 + 300" in drawn


def test_splits_of_a_report_from_a_file_stand_in_their_own_order() -> None:
    assert list(in_order({"test": 1, "train": 2, "validation": 3})) == ["train", "validation", "test"]
    assert in_order({}) == {}


def test_what_was_proven_names_the_problem_where_there_is_one() -> None:
    proof: dict[str, Any] = {"rows": 20, "answers": 24, "stops": ["</s>"], "pad": "</s>", "problems": []}
    assert "though it is the padding token as well" in proven(proof)
    wrong = {**proof, "problems": ["row 3 ends with no stop token"]}
    assert proven(wrong) == "Answers do not stop as they should: row 3 ends with no stop token"
