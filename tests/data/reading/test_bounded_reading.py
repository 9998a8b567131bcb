"""No file, however it is made, fills the memory: long lines, bombs, wide tables, open quotes."""

import gzip
import json
import tracemalloc
from pathlib import Path

import pytest

from core.data.reading import stream
from core.data.reading.files import find_files
from core.data.reading.rows import read_rows
from core.data.rows import Problem, RawRow
from tunery.errors import DataError

MEGABYTE = 2**20
SHARED = Path(__file__).parents[3] / "../shared/data"
ROW = {"prompt": "Wie spät ist es?", "completion": "Zehn vor acht."}


def read(path):
    (file,) = find_files(path.name, path.parent, set())
    return list(read_rows(file))


def refusal(path):
    with pytest.raises(DataError) as caught:
        read(path)
    return str(caught.value)


def peak_of(action):
    tracemalloc.start()
    try:
        result = action()
        return result, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_line_of_a_hundred_megabytes_is_a_problem_with_its_line_and_is_never_held(tmp_path):
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        file.write(json.dumps(ROW).encode() + b'\n{"prompt": "')
        for _ in range(100):
            file.write(b"x" * MEGABYTE)
        file.write(b'"}\n' + json.dumps(ROW).encode() + b"\n")
    rows, peak = peak_of(lambda: read(path))
    assert [type(row) for row in rows] == [RawRow, Problem, RawRow]
    assert str(rows[1]) == "a.jsonl line 2: the line is longer than 16 MiB; divide it, or remove it"
    assert rows[2].place.number == 3
    assert peak < 48 * MEGABYTE


@pytest.mark.parametrize("name", ["a.json", "a.csv", "a.txt", "a.md"])
def test_so_it_is_in_every_other_kind_of_text(tmp_path, name):
    begin = {"a.json": b'[{"a": 1},\n{"a": "', "a.csv": b'a,b\n1,"', "a.txt": b"a\n", "a.md": b"# a\n"}[name]
    path = tmp_path / name
    with path.open("wb") as file:
        file.write(begin)
        for _ in range(40):
            file.write(b"x" * MEGABYTE)

    def told():
        try:
            return str(read(path)[-1])
        except DataError as error:
            return str(error)

    text, peak = peak_of(told)
    assert text.startswith(f"{name} line {1 if name == 'a.md' else 2}: the ")
    assert "longer than 16 MiB; " in text
    assert peak < 100 * MEGABYTE


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".csv"])
def test_memory_does_not_grow_with_the_number_of_rows(tmp_path, monkeypatch, ending):
    monkeypatch.setattr(stream, "_BLOCK", 2**16)

    def write(count):
        lines = [json.dumps(ROW | {"n": n}) for n in range(count)]
        whole = {
            ".jsonl": "\n".join(lines),
            ".json": "[" + ",\n".join(lines) + "]",
            ".csv": "a,b\n" + "Wie spät ist es?,Zehn vor acht.\n" * count,
        }
        path = tmp_path / f"{count}{ending}"
        path.write_text(whole[ending])
        (file,) = find_files(path.name, tmp_path, set())
        return file

    def peak(count):
        file = write(count)
        rows, peak = peak_of(lambda: sum(1 for _ in read_rows(file)))
        assert rows == count
        return peak

    assert peak(16_000) < peak(4_000) + 2**17


def test_a_quote_that_is_never_closed_is_told_with_the_line_it_opens_on(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('a,b\n1,2\n3,"oops\n' + ("some text" * 1000 + "\n") * 2000)
    assert refusal(path) == (
        "a.csv line 3: the row that begins here is longer than 16 MiB; look for a quote that is never closed"
    )


def test_a_long_cell_is_read_whole(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(f'a,b\n1,"{"x" * MEGABYTE}"\n')
    assert len(read(path)[0].value["b"]) == MEGABYTE


def test_a_table_with_a_million_columns_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(",".join(f"c{n}" for n in range(1_000_000)) + "\n")
    assert "a.csv line 1: the header has 1,000,000 columns and 10,000 are read at most" in refusal(path)


def test_packed_files_read_like_plain_ones(tmp_path):
    plain, packed = tmp_path / "a.csv", tmp_path / "b.csv.gz"
    plain.write_text("prompt,completion\n" + "Hi,Hello\n" * 3)
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert [row.value for row in read(packed)] == [row.value for row in read(plain)]
    assert str(read(packed)[2].place) == "b.csv.gz line 4"


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    block = gzip.compress(b" " * (64 * MEGABYTE))
    path.write_bytes(block * 16)
    text, peak = peak_of(lambda: refusal(path))
    assert text.startswith("a.jsonl.gz unpacks to more than 200 times its size")
    assert peak < 48 * MEGABYTE


def test_rows_behind_much_white_space_are_not_taken_for_an_empty_file(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("\n" * 200_000 + json.dumps(ROW))
    assert str(read(path)[0].place) == "a.jsonl line 200001"


def test_a_small_file_may_repeat_itself(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress((json.dumps(ROW) + "\n").encode() * 50_000))
    assert len(read(path)) == 50_000


@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_damaged_packed_data_is_told_with_the_line_it_is_read_to(tmp_path, damage):
    lines = "".join(json.dumps(ROW | {"n": n * n * 7919}) + "\n" for n in range(40_000))
    content = bytearray(gzip.compress(lines.encode()))
    if damage == "cut":
        del content[len(content) // 2 :]
    else:
        content[len(content) // 2] ^= 0xFF
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(content)
    text = refusal(path)
    assert text.endswith(": the gzip data is damaged or cut off; pack it again")
    assert int(text.split()[2].rstrip(":")) > 1000


def test_a_file_named_gz_that_is_not_packed_is_told(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    path.write_text("{}")
    assert refusal(path) == "a.jsonl.gz line 1: the gzip data is damaged or cut off; pack it again"


@pytest.mark.parametrize(
    "name", ["a.zip", "a.tar", "a.tar.gz", "a.tgz", "a.7z", "a.jsonl.zst", "a.parquet.gz"]
)
def test_archives_are_never_opened(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"whatever")
    assert refusal(path) == f"{name} is an archive or a packed file; unpack it and name what was in it"


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.txt", "a.json"])
def test_lines_that_end_as_on_old_macs_are_counted(tmp_path, name):
    path = tmp_path / name
    text = {
        "a.jsonl": '{"a": 1}\r{"a": 2}\r{\r',
        "a.csv": "a,b\r1,2\r3\r",
        "a.txt": "one\rtwo\rthree\r",
        "a.json": '[{"a": 1},\r{"a": 2},\r3]',
    }[name]
    path.write_bytes(text.encode())
    assert read(path)[-1].place.number == 3


def test_the_block_size_changes_no_row(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(ROW | {"n": n}) + "\n" for n in range(50)).encode()))
    before = read(path)
    monkeypatch.setattr(stream, "_BLOCK", 7)
    assert read(path) == before


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data is not here")
def test_real_files_are_read_to_the_last_row():
    counts = {
        "alpaca_en_demo.json": 999,
        "dpo_en_demo.json": 298,
        "hh_harmless_600.jsonl.gz": 600,
        "crows_pairs.csv": 1508,
        "xstest_prompts.csv": 450,
        "xstest_completions_gpt4.csv": 450,
    }
    for name, count in counts.items():
        (file,) = find_files(name, SHARED, set())
        rows = list(read_rows(file))
        assert len(rows) == count, name
        assert all(isinstance(row, RawRow) for row in rows), name
