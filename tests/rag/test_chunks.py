"""Passages: cut by structure, small enough, and each one stretch of its document."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from rag.chunks import Chunk, cut_document
from rag.documents import Document, read_documents
from rag.markdown import parse_markdown

HANDBOOK = Path(__file__).parents[2] / "examples/support/handbook"


def document(text: str) -> Document:
    parsed = parse_markdown(text)
    return Document("a.md", "a", text, parsed.blocks, "")


def cut(text: str, limit: int) -> list[Chunk]:
    return list(cut_document(document(text), limit=limit))


def test_no_passage_crosses_a_heading_and_small_blocks_share_one() -> None:
    chunks = cut("# A\n\none\n\ntwo\n\n## B\n\nthree\n\n# C\n\nfour", 100)
    assert [(chunk.heading, chunk.text) for chunk in chunks] == [
        ("A", "one\n\ntwo"),
        ("A > B", "three"),
        ("C", "four"),
    ]


def test_a_list_that_fits_is_not_torn() -> None:
    chunks = cut("Lead in words.\n\n- one item\n- two items\n- three items\n", 40)
    assert [chunk.text for chunk in chunks] == ["Lead in words.", "- one item\n- two items\n- three items"]


def test_what_is_too_long_is_cut_at_lines_then_sentences_then_words() -> None:
    assert [chunk.text for chunk in cut("- one item\n- two items\n- three", 24)] == [
        "- one item\n- two items",
        "- three",
    ]
    assert [chunk.text for chunk in cut("One is here. Two is there. Three.", 20)] == [
        "One is here.",
        "Two is there. Three.",
    ]
    assert [chunk.text for chunk in cut("one two three four", 9)] == ["one two", "three", "four"]
    assert "".join(chunk.text for chunk in cut("x" * 100, 30)) == "x" * 100


def test_an_id_stays_when_the_passage_moves_and_changes_with_its_words() -> None:
    here = cut("# A\n\nsame words", 100)[0]
    moved = cut("# Z\n\nnew\n\n# A\n\nsame words", 100)[1]
    other = cut("# A\n\nother words", 100)[0]
    assert here.id == moved.id and here.start != moved.start
    assert len({here.id, other.id, cut("# B\n\nsame words", 100)[0].id}) == 3


def test_every_passage_of_the_handbook_stands_where_it_says() -> None:
    documents = [item for item in read_documents(HANDBOOK) if isinstance(item, Document)]
    assert len(documents) == 18
    for found in documents:
        for chunk in cut_document(found, limit=400):
            assert found.text[chunk.start : chunk.end] == chunk.text
            assert len(chunk.text) <= 400
            assert chunk.headings


@given(
    st.lists(st.sampled_from(["word ", "End. ", "\n", "\n\n", "- item", "# h\n", "longword" * 3, "é"])).map(
        "".join
    ),
    st.integers(1, 40),
)
def test_passages_hold_every_block_once_and_fit(text: str, limit: int) -> None:
    made = document(text)
    chunks = list(cut_document(made, limit=limit))
    at = 0
    for chunk in chunks:
        assert at <= chunk.start < chunk.end
        assert len(chunk.text) <= limit
        assert made.text[chunk.start : chunk.end] == chunk.text
        at = chunk.end
    held = set()
    for chunk in chunks:
        held.update(range(chunk.start, chunk.end))
    for block in made.blocks:
        missing = [at for at in range(block.start, block.end) if at not in held and not text[at].isspace()]
        assert missing == []
