"""A folder of documents: what is read, what is left out, and that every offset holds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.documents import MAX_BYTES, Document, Skipped, read_documents
from rag.markdown import parse_markdown
from rag.webpage import parse_html
from tunery.errors import NotThere

PAGE = """<!doctype html><html><head><title>Huts &amp; prices</title><style>p {color: red}</style>
<script>alert("never shown")</script></head><body>
<nav><ul><li><a href=x>Home</a></li></ul></nav>
<h1>Prices</h1><p>A bunk costs <b>34</b> euros.<br>Towels are extra.</p>
<h2>Rules</h2>
<ol><li><p>No shoes.</p></li><li>No dogs<ul><li>except guide dogs</li></ul></li></ol>
<table><tr><th>Hut</th><th>Card</th></tr><tr><td><p>Tarnsill</p></td><td>yes</td></tr></table>
<pre>line one
  line two</pre>
<noscript>switch it on</noscript></body></html>"""


def read(folder: Path) -> tuple[dict[str, Document], dict[str, str]]:
    found = list(read_documents(folder))
    documents = {item.path: item for item in found if isinstance(item, Document)}
    return documents, {item.path: item.reason for item in found if isinstance(item, Skipped)}


def texts(document: Document) -> list[tuple[str, str]]:
    return [(block.kind, document.text[block.start : block.end]) for block in document.blocks]


def test_markdown_keeps_lists_and_tables_whole_below_their_headings(tmp_path: Path) -> None:
    source = (
        "---\ntitle: x\n---\n# Huts\r\n\r\nOne hut.\r\n\r\n## The `rules`, *now*\n"
        "- no shoes\n\n  indented\n- no dogs\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |\n\n<!-- not for readers -->\n\n```\n# no heading\n```\n\n"
        "Setext\n======\n> quoted\n"
    )
    (tmp_path / "huts.md").write_bytes(source.encode())
    documents, skipped = read(tmp_path)
    document = documents["huts.md"]
    assert skipped == {}
    assert document.title == "Huts"
    assert document.text == source
    assert texts(document) == [
        ("paragraph", "One hut."),
        ("list", "- no shoes\n\n  indented\n- no dogs"),
        ("table", "| a | b |\n|---|---|\n| 1 | 2 |"),
        ("code", "```\n# no heading\n```"),
        ("paragraph", "> quoted"),
    ]
    assert [block.headings for block in document.blocks] == [
        ("Huts",),
        *[("Huts", "The rules, now")] * 3,
        ("Setext",),
    ]


def test_a_page_is_read_as_people_see_it_without_tags_and_scripts(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(PAGE)
    document = read(tmp_path)[0]["page.html"]
    assert document.title == "Huts & prices"
    assert texts(document) == [
        ("list", "- Home"),
        ("paragraph", "A bunk costs 34 euros.\nTowels are extra."),
        ("list", "- No shoes.\n- No dogs\n  - except guide dogs"),
        ("table", "Hut | Card\nTarnsill | yes"),
        ("code", "line one\n  line two"),
    ]
    assert document.blocks[2].headings == ("Prices", "Rules")
    assert "Prices\n\nA bunk" in document.text
    for unseen in ("alert", "color", "switch it on", "<"):
        assert unseen not in document.text


def test_plain_text_falls_into_paragraphs(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes("\ufefffirst\r\nstill first\r\n \r\n\r\nsecond".encode())
    document = read(tmp_path)[0]["notes.txt"]
    assert [text for _, text in texts(document)] == ["first\r\nstill first", "second"]
    assert document.title == "notes"


def test_a_broken_file_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "good.md").write_text("All is well here.")
    (tmp_path / "twin.txt").write_text("All is well here.")
    (tmp_path / "binary.md").write_bytes(b"text\0more")
    (tmp_path / "latin.md").write_bytes("Küche".encode("latin-1"))
    (tmp_path / "empty.md").write_text(" \n")
    (tmp_path / "guide.pdf").write_bytes(b"%PDF-1.7")
    (tmp_path / "line\nbreak.md").write_bytes(b"\xff")
    with open(tmp_path / "huge.txt", "wb") as huge:
        huge.truncate(MAX_BYTES + 1)
    os.mkfifo(tmp_path / "pipe.md")
    documents, skipped = read(tmp_path)
    assert list(documents) == ["good.md"]
    assert skipped["twin.txt"] == "it says the same as good.md"
    assert "UTF-8" in skipped["binary.md"] and "UTF-8" in skipped["latin.md"]
    assert skipped["empty.md"] == "it holds no text"
    assert ".md" in skipped["guide.pdf"]
    assert "UTF-8" in skipped["line\\nbreak.md"]
    assert "16.0 MiB" in skipped["huge.txt"]
    assert skipped["pipe.md"] == "it is no ordinary file"


def test_no_link_leads_out_of_the_folder(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key.md").write_text("The key is under the mat.")
    docs = tmp_path / "docs"
    (docs / "sub").mkdir(parents=True)
    (docs / "a.md").write_text("Open to all.")
    (docs / ".hidden.md").write_text("Not a document.")
    (docs / "file.md").symlink_to(secret / "key.md")
    (docs / "folder").symlink_to(secret)
    (docs / "sub" / "loop").symlink_to(docs)
    (docs / "dead.md").symlink_to(docs / "nothing.md")
    (docs / "inside.md").symlink_to(docs / "a.md")
    documents, skipped = read(docs)
    assert list(documents) == ["a.md"]
    assert skipped["file.md"] == skipped["folder"] == "the link leads out of the folder"
    assert set(skipped) == {"file.md", "folder", "sub/loop", "dead.md", "inside.md"}


def test_one_file_is_a_folder_of_one(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Some words.")
    assert [item.path for item in read_documents(tmp_path / "a.md")] == ["a.md"]
    with pytest.raises(NotThere, match="does not exist"):
        list(read_documents(tmp_path / "nothing"))


def test_hostile_markup_ends_and_its_neighbours_are_read(tmp_path: Path) -> None:
    (tmp_path / "good.html").write_text("<p>All is well.")
    (tmp_path / "deep.html").write_text("<div>" * 100_000 + "deep")
    for name, piece in (("tags", "<a "), ("quotes", "<a href='"), ("comments", "<!--"), ("closes", "</x")):
        (tmp_path / f"{name}.html").write_text(f"<p>The {name} are open.{piece * 100_000}")
    (tmp_path / "quoted.md").write_text(">" * 100_000 + " word")
    documents, skipped = read(tmp_path)
    assert {"good.html", "tags.html", "quotes.html", "comments.html", "closes.html"} <= set(documents)
    assert documents["quotes.html"].text == "The quotes are open."
    assert skipped["deep.html"] == "its markup cannot be read: tags nested more than 2000 deep"


# fmt: off
PIECES = [
    "# ", "## h", "\n", "\n\n", "- a", "| a | b |", "|--|--|", "```", "    code", "> q", "<!--", "-->", "---",
    "<h1>", "</h1>", "<p>", "</p>", "<ul><li>", "</ul>", "<table><tr><td>", "</td>", "</table>", "<pre>",
    "</pre>", "<script>", "</script>", "<br>", "&lt;", "&#0;", "<", "word", " ", "\r", "\r\n", "\x0c", "é",
]
# fmt: on
MARKUP = st.lists(st.sampled_from(PIECES)).map("".join) | st.text()


@given(MARKUP)
def test_blocks_of_any_markdown_stand_in_order_inside_the_text(text: str) -> None:
    check_blocks(parse_markdown(text))


@given(MARKUP)
def test_blocks_of_any_html_stand_in_order_inside_the_text(text: str) -> None:
    check_blocks(parse_html(text))


def check_blocks(parsed) -> None:
    at = 0
    for block in parsed.blocks:
        assert at <= block.start < block.end <= len(parsed.text)
        assert parsed.text[block.start : block.end].strip()
        at = block.end


@given(st.lists(st.text("abc ", min_size=1).filter(str.strip), min_size=1, max_size=5))
def test_no_word_of_a_page_is_lost(paragraphs: list[str]) -> None:
    parsed = parse_html("".join(f"<p>{text}" for text in paragraphs))
    assert parsed.text.split() == " ".join(paragraphs).split()
