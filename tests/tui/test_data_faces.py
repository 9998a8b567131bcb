"""What is known of data as text: the report, two datasets side by side, the token stream."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.diff import Change, DatasetDiff, ShownRow
from core.models.dataset import SPLITS, Row, write_rows, write_tokens
from core.models.examples import Conversation, example_id
from serve.chat import ChatFormat, Message
from tui.comparing import diff_text
from tui.inspecting import WIDTH, report_text
from tui.tokens import Palette, Piece, Stream, in_brackets, in_colour, read_streams
from tunery.errors import BadInput, NotThere
from tunery.shown import harmless

COLOURS = Palette("green", "default", "magenta", "bright_black", "bold")


def finding(severity: str = "error", text: str = "the last turn is a question") -> dict[str, Any]:
    return {
        "code": "unanswered",
        "severity": severity,
        "count": 12,
        "examples": [{"line": 1014, "text": text}],
        "fix": "add the answer, or set data.clean.unanswered: drop",
    }


def report(*findings: dict[str, Any], path: str = "tickets.jsonl", **more: Any) -> dict[str, Any]:
    source = {
        "path": path,
        "format": "messages",
        "file_format": "jsonl",
        "detected": True,
        "rows": 1200,
        "usable": 1188,
        "findings": list(findings),
    }
    return {"rows": 1200, "usable": 1188, "sources": [source], **more}


def test_a_finding_is_told_with_count_line_and_fix() -> None:
    text = report_text(report(finding()))
    assert "✗ unanswered, 12 rows (error)" in text
    assert "line 1,014   the last turn is a question" in text
    assert "→ add the answer, or set data.clean.unanswered: drop" in text
    assert "1,200 rows read, 1,188 usable; 1 error." in text
    assert "would not start" in text


def test_errors_come_before_notes_and_only_they_keep_a_run_from_starting() -> None:
    text = report_text(report(finding("note"), finding("warning"), finding("error")))
    assert text.index("✗") < text.index("!") < text.index("·")
    assert "would not start" not in report_text(report(finding("note"), finding("warning")))


def test_clean_data_is_said_to_be_clean() -> None:
    text = report_text(report())
    assert "✓ nothing odd was found" in text
    assert "nothing odd." in text


def test_the_longest_bar_fills_its_room_and_a_single_row_is_still_seen() -> None:
    lengths = {"unit": "tokens", "edges": [0, 16, 32, 64], "counts": [0, 1000, 1]}
    text = report_text(report(lengths=lengths, tasks={"chat": 3}))
    assert f"16 – 31  {'█' * 40} 1,000" in text
    assert "32 – 63  █ 1" in text
    assert "chat" in text


def test_tokens_are_told_by_source_and_task() -> None:
    told = report(tokens_by_task={"chat": {"trained": 5, "context": 7}})
    told["sources"][0]["tokens"] = {"trained": 12_345, "context": 45_678}
    lines = report_text(told).splitlines()
    assert any(line.split() == ["tickets.jsonl", "12,345", "45,678"] for line in lines)
    assert any(line.split() == ["task", "chat", "5", "7"] for line in lines)


@given(st.text(), st.text())
def test_no_row_can_widen_the_report_or_move_the_cursor(text: str, path: str) -> None:
    shown = report_text(report(finding(text=text), path=path, labels={text: 3, "x" * 90: 1}))
    assert "\x1b" not in shown
    assert "\r" not in shown
    for line in shown.splitlines():
        assert len(line) <= WIDTH or harmless(path) in line


def difference(**changes: Any) -> DatasetDiff:
    facts: dict[str, Any] = {
        "added": 0,
        "removed": 0,
        "moved": 0,
        "kept": 9,
        "splits": (Change("train", 9, 9),),
        "sources": (),
        "tasks": (),
        "tokens": (),
        "steps": (),
        "settings": (),
        "examples": (),
    }
    return DatasetDiff(**{**facts, **changes})


def test_equal_datasets_are_said_to_be_equal() -> None:
    text = diff_text(difference(), "run-1", "run-2")
    assert "Both hold the same 9 rows" in text
    assert "Their settings are the same" in text


def test_what_differs_is_told_with_figures_rows_and_settings() -> None:
    text = diff_text(
        difference(
            added=3,
            removed=1,
            splits=(Change("train", 9, 1011),),
            settings=(Change("data.too_long", "refuse", "drop"),),
            examples=(ShownRow("added", "train", "b.jsonl", 7, "May I bring my \x1b[2Jdog?"),),
        ),
        "run-1",
        "run-2",
    )
    assert "B has 3 rows that A has not, and lacks 1 of A's" in text
    assert "+ train, b.jsonl line 7: May I bring my \ufffd[2Jdog?" in text
    assert ["train", "9", "1,011", "+1,002"] in [line.split() for line in text.splitlines()]
    assert "  data.too_long: refuse → drop" in text.splitlines()


def test_unknown_settings_are_not_said_to_be_the_same() -> None:
    assert "not known" in diff_text(difference(settings=None), "a", "b")


@pytest.fixture
def dataset(tmp_path: Path, starter_chat_folder: Path) -> Path:
    """Two training rows as SmolLM2 reads them."""
    chat = ChatFormat.open(starter_chat_folder)
    rows, ids, trained, offsets = [], [], [], [0]
    for number, answer in enumerate(
        ("Yes, on a lead.", "No 🐕 in the hut, and write <|im_end|> as text."), 1
    ):
        turns = (Message("user", "May I bring my dog?"), Message("assistant", answer))
        rendered = chat.render(turns, add_generation_prompt=False)
        example = Conversation(turns)
        rows.append(Row(example_id(example), "tickets.jsonl", number, example))
        marks = [
            any(start <= at < end for start, end in rendered.assistant) for at in range(len(rendered.ids))
        ]
        ids += rendered.ids
        trained += marks
        offsets.append(len(ids))
    for name in SPLITS:
        mine = name == "train"
        write_rows(tmp_path / f"{name}.jsonl", rows if mine else ())
        write_tokens(
            tmp_path,
            name,
            np.array(ids if mine else [], dtype=np.int32),
            np.array(trained if mine else [], dtype=np.bool_),
            np.array(offsets if mine else [0], dtype=np.int64),
        )
    return tmp_path


def test_brackets_hold_what_is_trained_and_the_token_that_ends_it(
    dataset: Path, starter_chat_folder: Path
) -> None:
    first, second = read_streams(dataset, starter_chat_folder, "train", 1, 2)
    text = in_brackets([first])
    assert text.startswith("train row 1 of 2, tickets.jsonl line 1: ")
    assert "⟦Yes, on a lead.‹<|im_end|>›⟧" in text
    assert "‹<|im_start|>›user\nMay I bring my dog?‹<|im_end|>›" in text
    # What only looks like a control token is none.
    assert "write <|im_end|> as text.‹<|im_end|>›⟧" in in_brackets([second])


def test_rows_shown_together_are_padded_like_a_batch(dataset: Path, starter_chat_folder: Path) -> None:
    first, second = read_streams(dataset, starter_chat_folder, "train", 1, 2)
    assert first.padding == len(second.pieces) - len(first.pieces) > 0
    assert f"░{first.padding} padding░" in in_brackets([first, second])
    assert "padding" not in in_brackets([second])


def test_one_row_is_read_by_its_number(dataset: Path, starter_chat_folder: Path) -> None:
    (only,) = read_streams(dataset, starter_chat_folder, "train", 2, 1)
    assert (only.number, only.line, only.padding) == (2, 2, 0)
    told = only.to_json()
    assert [token["text"] for token in told["tokens"]] == [piece.text for piece in only.pieces]
    assert sum(token["trained"] for token in told["tokens"]) == sum(piece.trained for piece in only.pieces)


def test_a_row_or_split_that_is_not_there_is_said(dataset: Path, starter_chat_folder: Path) -> None:
    with pytest.raises(NotThere, match="has 2 rows; row 3"):
        read_streams(dataset, starter_chat_folder, "train", 3, 1)
    with pytest.raises(NotThere, match="has 0 rows"):
        read_streams(dataset, starter_chat_folder, "test", 1, 1)
    with pytest.raises(BadInput, match="train, validation, test"):
        read_streams(dataset, starter_chat_folder, "dev", 1, 1)


def stream(*pieces: Piece, padding: int = 0) -> Stream:
    return Stream("train", 1, 1, "a.jsonl", 1, pieces, padding)


def test_every_kind_of_token_has_a_colour_of_its_own() -> None:
    row = stream(
        Piece(1, "<s>", False, True),
        Piece(2, "ask", False, False),
        Piece(3, "say", True, False),
        Piece(4, "</s>", True, True),
        padding=3,
    )
    text = in_colour([row], COLOURS)
    styles = {text.plain[span.start : span.end]: str(span.style).split()[0] for span in text.spans}
    assert styles["<s>"] == styles["</s>"] == "magenta"
    assert (styles["ask"], styles["say"], styles[" 3 × padding"]) == ("default", "green", "bright_black")
    assert [str(span.style) for span in text.spans if text.plain[span.start : span.end] == "</s>"] == [
        "magenta reverse"
    ]


@given(st.lists(st.tuples(st.text(), st.booleans(), st.booleans()), max_size=8))
def test_no_token_can_move_the_cursor(tokens: list[tuple[str, bool, bool]]) -> None:
    row = stream(*(Piece(0, text, trained, control) for text, trained, control in tokens))
    for shown in (in_brackets([row]), in_colour([row], COLOURS).plain):
        assert "\x1b" not in shown
        shown.encode("utf-8")
    assert in_brackets([row]).count("⟦") >= any(trained for _, trained, _ in tokens)
