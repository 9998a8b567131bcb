from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tunery.shown import harmless


def test_a_text_cannot_move_the_cursor_or_turn_the_line_around() -> None:
    assert harmless("a\x1b[2Jb\x07") == "a\ufffd[2Jb\ufffd"
    assert harmless("abc\u202ecba\r") == "abc\ufffdcba\ufffd"


def test_what_people_write_stays() -> None:
    text = "Grüezi\u00a0日本語\u3000👩\u200d🔧\n\tnaïve – „so“"
    assert harmless(text) == text


@given(st.text())
def test_every_text_can_be_written_and_keeps_its_length(text: str) -> None:
    shown = harmless(text)
    shown.encode("utf-8")
    assert len(shown) == len(text)
    assert "\x1b" not in shown
