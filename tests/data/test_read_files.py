"""Files as people have them: each is read, or refused with one sentence that says where and what to do."""

import csv
import gzip
import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.data.reading.files import SourceFile, find_files
from core.data.reading.rows import read_rows
from core.data.rows import Problem, RawRow
from tunery.errors import DataError, NotThere

ROW = {"prompt": "Wie spät ist es?", "completion": "Zehn vor acht."}

# Surrogates are left out: json.dumps would write what no file can hold.
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
objects = st.lists(st.dictionaries(texts, json_values, min_size=1, max_size=4), min_size=1, max_size=6)
reuse_folder = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)


def found(path: Path) -> SourceFile:
    (file,) = find_files(path.name, path.parent, set())
    return file


def read(path: Path) -> list[RawRow | Problem]:
    return list(read_rows(found(path)))


def values(path: Path) -> list[object]:
    return [row.value for row in read(path) if isinstance(row, RawRow)]


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(path)
    return str(caught.value)


def only_problem(path: Path) -> Problem:
    (problem,) = [row for row in read(path) if isinstance(row, Problem)]
    return problem


@reuse_folder
@given(rows=objects, gap=st.sampled_from(["", "\n", "\r\n", "  \n\n"]))
def test_jsonl_gives_back_every_object_with_its_line(tmp_path, rows, gap):
    text = "".join(json.dumps(row) + "\n" + gap for row in rows)
    read_back = read(write(tmp_path, "a.jsonl", text))
    assert [row.value for row in read_back] == rows
    step = 1 + gap.count("\n")
    assert [row.place.number for row in read_back] == [1 + n * step for n in range(len(rows))]


@reuse_folder
@given(rows=objects, indent=st.sampled_from([None, 0, 2]), ascii_only=st.booleans())
def test_a_json_list_gives_back_every_object_with_its_line(tmp_path, rows, indent, ascii_only):
    text = json.dumps(rows, indent=indent, ensure_ascii=ascii_only)
    read_back = read(write(tmp_path, "a.json", "\n" + text + "\n"))
    assert [row.value for row in read_back] == rows
    lines = ("\n" + text).split("\n")
    if "\n" in text:
        assert all(lines[row.place.number - 1].lstrip()[:1] in ("{", "[") for row in read_back)
    else:
        assert [str(row.place) for row in read_back] == [f"a.json row {n + 1}" for n in range(len(rows))]


@reuse_folder
@given(
    rows=st.lists(st.tuples(texts, texts), min_size=1, max_size=5),
    separator=st.sampled_from(",;\t"),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_csv_gives_back_every_cell(tmp_path, rows, separator, end):
    rows = [(a, b) for a, b in rows if a or b]
    if any("\0" in cell for row in rows for cell in row):
        return
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([("prompt", "completion"), *rows])
    path = write(tmp_path, "a.csv", out.getvalue())
    assert values(path) == [{"prompt": a, "completion": b} for a, b in rows]


def test_a_byte_order_mark_and_windows_line_ends_change_nothing(tmp_path):
    line = json.dumps(ROW, ensure_ascii=False)
    assert values(write(tmp_path, "a.jsonl", b"\xef\xbb\xbf" + f"{line}\r\n{line}\r\n".encode())) == [
        ROW,
        ROW,
    ]
    assert values(write(tmp_path, "a.json", b"\xef\xbb\xbf" + f"[{line},\r\n{line}]\r\n".encode())) == [
        ROW,
        ROW,
    ]
    table = "prompt,completion\r\nWie spät ist es?,Zehn vor acht.\r\n"
    assert values(write(tmp_path, "a.csv", b"\xef\xbb\xbf" + table.encode())) == [ROW]


def test_a_json_file_with_one_object_a_line_is_read_as_that(tmp_path):
    path = write(tmp_path, "a.json", json.dumps(ROW) + "\n" + json.dumps(ROW) + "\n")
    assert values(path) == [ROW, ROW]
    assert found(path).format == "jsonl"


def test_parquet_rows_are_numbered_from_one(tmp_path):
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    path = tmp_path / "a.parquet"
    parquet.write_table(arrow.Table.from_pylist([{"messages": turns}] * 3), path)
    rows = read(path)
    assert [str(row.place) for row in rows] == ["a.parquet row 1", "a.parquet row 2", "a.parquet row 3"]
    assert values(path) == [{"messages": turns}] * 3


def test_line_separators_inside_a_text_do_not_end_a_line(tmp_path):
    row = {"prompt": "a\u2028b\u0085c", "completion": "d"}
    assert values(write(tmp_path, "a.jsonl", json.dumps(row, ensure_ascii=False) + "\n")) == [row]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.tsv", "a.parquet", "a.txt", "a.md"])
@pytest.mark.parametrize("content", [b"", b" \n\n", b"\xef\xbb\xbf\n"])
def test_an_empty_file_is_said_to_be_empty(tmp_path, name, content):
    assert refusal(write(tmp_path, name, content)).startswith(f"{name} is empty; ")


def test_broken_json_is_told_with_its_line_and_column(tmp_path):
    problem = only_problem(
        write(tmp_path, "a.jsonl", json.dumps(ROW) + '\n{"prompt": "x",}\n' + json.dumps(ROW))
    )
    assert str(problem).startswith("a.jsonl line 2: this is not valid JSON: ")
    assert "column 16" in str(problem)
    text = refusal(write(tmp_path, "a.json", '[\n{"a": 1},\n{"a" 2}\n]'))
    assert text.startswith("a.json line 3: this is not valid JSON: ")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('[{"a": 1}', 1),
        ('[\n{"a": 1},\n', 3),
        ('[\n{"a": 1}\n{"a": 2}]', 3),
        ('[{"a": 1},\n]', 2),
        ('[\n]\n{"b": 2}', 3),
    ],
)
def test_a_json_list_that_is_cut_off_or_goes_on_is_refused_at_its_line(tmp_path, content, line):
    assert f"a.json line {line}: " in refusal(write(tmp_path, "a.json", content))


def test_a_nul_byte_is_told_with_its_line(tmp_path):
    assert (
        only_problem(write(tmp_path, "a.jsonl", json.dumps(ROW).encode() + b'\n{"a": "\0"}\n')).place.number
        == 2
    )
    rows = read(write(tmp_path, "a.csv", b"a,b\n1,\0\n3,4\n"))
    assert str(rows[0]).startswith("a.csv line 2: the line holds a NUL byte; ")
    assert values(tmp_path / "a.csv") == [{"a": "3", "b": "4"}]
    assert "a.json line 2: the line holds a NUL byte" in refusal(write(tmp_path, "a.json", b'[\n"\0"]'))


def test_text_that_is_not_utf8_is_told_with_its_line(tmp_path):
    problem = only_problem(write(tmp_path, "a.jsonl", json.dumps(ROW).encode() + b'\n{"a": "sp\xe4t"}\n'))
    assert str(problem) == "a.jsonl line 2: byte 10 of the line is not UTF-8; save the file as UTF-8"
    table = write(tmp_path, "a.csv", b'a,b\n1,"two\nsp\xe4t"\n3,4\n')
    assert str(only_problem(table)) == "a.csv line 3: byte 3 of the line is not UTF-8; save the file as UTF-8"
    assert values(table) == [{"a": "3", "b": "4"}]
    text = refusal(write(tmp_path, "a.json", b'[{"a": "x"},\n {"a": "sp\xe4t"}]'))
    assert text == "a.json line 2: byte 11 of the line is not UTF-8; save the file as UTF-8"
    assert "UTF-16" in refusal(write(tmp_path, "a.jsonl", json.dumps(ROW).encode("utf-16")))


def test_files_under_a_wrong_name_are_recognised(tmp_path):
    assert "gzip; give it an ending such as .jsonl.gz" in refusal(
        write(tmp_path, "a.jsonl", gzip.compress(b"{}"))
    )
    assert "give it the ending .parquet" in refusal(write(tmp_path, "a.csv", b"PAR1...."))
    assert "not readable Parquet" in refusal(write(tmp_path, "a.parquet", b"a,b\n1,2\n"))
    assert "use JSONL, JSON, CSV, TSV, Parquet" in refusal(write(tmp_path, "a.docx", b"hello"))
    assert "one object over several lines" in refusal(write(tmp_path, "a.json", '{\n "data": []\n}'))


def test_a_file_that_is_not_there_is_said_not_to_be_there(tmp_path):
    with pytest.raises(NotThere, match=r"a\.jsonl does not exist"):
        read(tmp_path / "a.jsonl")


def test_a_line_that_is_no_object_is_told(tmp_path):
    problems = read(write(tmp_path, "a.jsonl", '"x"\n[1]\n3\nnull\n'))
    assert [problem.what for problem in problems] == [
        "the line is a text",
        "the line is a list",
        "the line is a number",
        "the line is null",
    ]


def test_a_key_that_stands_twice_is_refused_since_one_would_be_lost(tmp_path):
    problem = only_problem(write(tmp_path, "a.jsonl", '{"prompt": "a", "prompt": "b"}\n'))
    assert "'prompt' stands twice" in str(problem)


def test_json_nested_beyond_reason_is_a_problem_and_no_crash(tmp_path):
    path = write(tmp_path, "a.jsonl", '{"a": ' + "[" * 100_000 + "\n")
    assert only_problem(path).code == "broken_json"


def test_a_csv_row_with_a_cell_too_many_is_told_with_its_line(tmp_path):
    path = write(tmp_path, "a.csv", 'prompt,completion\n"two\nlines",x\na,b,c\n')
    problem = only_problem(path)
    assert str(problem.place) == "a.csv line 4"
    assert "3 cells and the header 2" in problem.what


def test_csv_with_an_open_quote_or_a_doubled_column_is_refused(tmp_path):
    assert "a.csv line 2: this is not valid CSV" in refusal(write(tmp_path, "a.csv", 'a,b\n"x,y\n'))
    assert "names the column 'a' twice" in refusal(write(tmp_path, "a.csv", "a,a\n1,2\n"))


def test_tsv_is_cut_at_tabs_alone(tmp_path):
    path = write(tmp_path, "a.tsv", 'prompt\tcompletion\na, b; c\t"x\ty"\n')
    assert values(path) == [{"prompt": "a, b; c", "completion": "x\ty"}]


def test_every_line_of_a_text_file_is_a_row_and_blank_ones_are_none(tmp_path):
    path = write(tmp_path, "a.txt", b"One.\r\n\r\n  Two. \nThree")
    assert [(row.place.number, row.value["text"]) for row in read(path)] == [
        (1, "One."),
        (3, "  Two. "),
        (4, "Three"),
    ]
    problems = read(write(tmp_path, "a.txt", b"One.\nsp\xe4t\n\0\nFour."))
    assert [str(row.place) for row in problems] == [f"a.txt line {n}" for n in (1, 2, 3, 4)]
    assert [row.code for row in problems[1:3]] == ["not_utf8", "nul_byte"]


def test_a_markdown_file_is_one_row_with_one_kind_of_line_end(tmp_path):
    assert values(write(tmp_path, "a.md", b"\xef\xbb\xbf# Title\r\n\r\nText.\n")) == [
        {"text": "# Title\n\nText.\n"}
    ]
    assert str(only_problem(write(tmp_path, "a.md", b"# Title\nsp\xe4t\n"))).startswith(
        "a.md line 2: byte 3 "
    )
