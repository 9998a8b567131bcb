"""Whatever stands in a file: rows, problems, or one sentence; and no row without one of them."""

import csv
import gzip
import io
import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from core.data.reading import stream
from core.data.reading.files import find_files
from core.data.reading.rows import read_rows
from core.data.rows import Problem, RawRow
from tunery.errors import DataError

NAMES = ["a.jsonl", "a.json", "a.csv", "a.tsv", "a.txt", "a.md", "a.parquet", "a.arrow", "a.jsonl.gz"]
reuse_folder = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100
)


def outcome(folder, name, content):
    """The rows and problems, or the sentence that refuses the file. Anything else fails the test."""
    (folder / name).write_bytes(content)
    refused = None
    try:
        (file,) = find_files(name, folder, set())
        rows = list(read_rows(file))
    except DataError as error:
        refused = str(error)
    if refused is not None:
        assert refused.startswith(name)
        assert "; " in refused
        return refused
    assert all(isinstance(row, RawRow | Problem) and row.place.file == name for row in rows)
    return rows


def values(outcome):
    """Without the places, which a list on one line counts in another way."""
    if isinstance(outcome, str):
        return outcome
    return [row.value if isinstance(row, RawRow) else (row.code, row.what) for row in outcome]


@reuse_folder
@given(content=st.binary(max_size=300), name=st.sampled_from(NAMES))
@example(b"a,b\r1,2\r", "a.csv")
@example(b'a\n"\x80', "a.csv")
@example(b'[{"a": 1}, \xff', "a.json")
@example(b"\x1f\x8b\x08\x00", "a.jsonl.gz")
@example(b"PAR1PAR1", "a.parquet")
@example(b"ARROW1\0\0", "a.arrow")
@example(b"\xff\xff\xff\xff\x00\x00\x00\x00", "a.arrow")
def test_any_bytes_lead_to_rows_problems_or_one_sentence(tmp_path, content, name):
    outcome(tmp_path, name, content)


@reuse_folder
@given(text=st.text(alphabet='{}[]",:\n\r \\ua1d8é\0', max_size=60), name=st.sampled_from(NAMES[:6]))
def test_text_that_is_almost_right_leads_to_nothing_else(tmp_path, text, name):
    outcome(tmp_path, name, text.encode())


@reuse_folder
@given(cut=st.integers(0, 2000), flip=st.integers(0, 2000), name=st.sampled_from(["a.parquet", "a.arrow"]))
def test_a_damaged_table_leads_to_nothing_else(tmp_path, cut, flip, name):
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    table = arrow.table({"prompt": ["Hi", "Wie geht's?"] * 20, "n": list(range(40))})
    out = io.BytesIO()
    if name == "a.parquet":
        parquet.write_table(table, out)
    else:
        with arrow.ipc.new_stream(out, table.schema) as writer:
            writer.write_table(table)
    content = bytearray(out.getvalue())
    content[flip % len(content)] ^= 0x55
    outcome(tmp_path, name, bytes(content[: len(content) - cut % 40]))


@reuse_folder
@given(
    lines=st.lists(
        st.sampled_from(
            [b"", b"  ", b'{"a": 1}', b"{", b"[1]", b'"x"', b'{"a": "\xff"}', b'{"a": "\0"}', b"\r"]
        )
    ),
    packed=st.booleans(),
)
def test_every_line_that_is_not_blank_is_a_row_or_a_problem(tmp_path, lines, packed):
    lines = [b'{"a": 0}', *lines]
    content = b"\n".join(lines)
    name = "a.jsonl.gz" if packed else "a.jsonl"
    got = outcome(tmp_path, name, gzip.compress(content) if packed else content)
    assert [row.place.number for row in got] == [n for n, line in enumerate(lines, 1) if line.strip()]
    usable = [row for row in got if isinstance(row, RawRow)]
    assert len(usable) == sum(line.startswith(b'{"a": ') and line[6:7].isdigit() for line in lines)


@reuse_folder
@given(rows=st.lists(st.lists(st.text('ab ,"\n;\té', max_size=6), min_size=1, max_size=4), max_size=8))
def test_every_table_row_with_content_is_a_row_or_a_problem(tmp_path, rows):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([["x", "y"], *rows])
    got = outcome(tmp_path, "a.csv", out.getvalue().encode())
    with_content = [row for row in rows if any(row)]
    assert len(got) == len(with_content)
    for row, cells in zip(got, with_content, strict=True):
        assert row.value == dict(zip(("x", "y"), cells, strict=True)) if len(cells) == 2 else row.code


@reuse_folder
@given(
    rows=st.lists(
        st.dictionaries(st.text("aé\U0001f600", max_size=3), st.text('b\n\\é"', max_size=9)), min_size=1
    ),
    block=st.integers(1, 40),
    indent=st.sampled_from([None, 0, 3]),
)
def test_a_list_reads_alike_wherever_its_blocks_are_cut(tmp_path, rows, block, indent):
    text = json.dumps(rows, ensure_ascii=False, indent=indent)
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    whole = outcome(tmp_path, "a.json", text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "_BLOCK", block)
        assert values(outcome(tmp_path, "a.json", text.encode())) == values(whole)
    assert [row.value for row in whole] == rows


@reuse_folder
@given(text=st.text(alphabet='{}[]",:\n 1.e+-aé', max_size=40), block=st.integers(1, 9))
@example("1e+5, 1.5, -1]", 1)
def test_a_broken_list_is_refused_alike_wherever_its_blocks_are_cut(tmp_path, text, block):
    content = ("[" + text).encode()
    whole = outcome(tmp_path, "a.json", content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "_BLOCK", block)
        assert values(outcome(tmp_path, "a.json", content)) == values(whole)


def test_a_number_that_is_cut_between_two_blocks_stays_one_number(tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "_BLOCK", 3)
    rows = outcome(tmp_path, "a.json", b'[{"n": 12345678}, 12345678]')
    assert rows[0].value == {"n": 12345678}
    assert [type(row) for row in rows] == [RawRow, Problem]
