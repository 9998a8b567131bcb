"""Parquet and Arrow: every row by its number, nothing run, odd columns readable."""

import pickle
from datetime import date
from decimal import Decimal

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest

from core.data.reading.files import find_files
from core.data.reading.rows import read_rows
from core.data.rows import Problem, RawRow
from tunery.errors import DataError

FORMATS = ["a.parquet", "a.arrow", "a.feather"]


def write(folder, name, table, **options):
    path = folder / name
    if name.endswith(".parquet"):
        parquet.write_table(table, path, **options)
    elif name.endswith(".arrow"):
        with arrow.OSFile(str(path), "wb") as out, arrow.ipc.new_stream(out, table.schema) as writer:
            writer.write_table(table)
    else:
        with arrow.OSFile(str(path), "wb") as out, arrow.ipc.new_file(out, table.schema) as writer:
            writer.write_table(table)
    return path


def read(path):
    (file,) = find_files(path.name, path.parent, set())
    return list(read_rows(file))


def refusal(path):
    with pytest.raises(DataError) as caught:
        read(path)
    return str(caught.value)


@pytest.mark.parametrize("name", FORMATS)
def test_rows_are_numbered_from_one_through_all_batches(tmp_path, name):
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    rows = [{"messages": turns, "n": n} for n in range(1000)]
    got = read(write(tmp_path, name, arrow.Table.from_pylist(rows)))
    assert [row.value for row in got] == rows
    assert [row.place.number for row in got] == list(range(1, 1001))
    assert str(got[-1].place) == f"{name} row 1000"


class Trap:
    """Says so, loudly, when it is unpickled."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('the metadata was unpickled')",))


@pytest.mark.parametrize("name", FORMATS)
def test_pickled_metadata_is_never_opened(tmp_path, name):
    trap = pickle.dumps(Trap(), protocol=2)
    with pytest.raises(SystemExit):
        pickle.loads(trap)  # noqa: S301 - the trap works
    field = arrow.field(
        "prompt",
        arrow.string(),
        metadata={"ARROW:extension:name": "arrow.py_extension_type", "ARROW:extension:metadata": trap},
    )
    schema = arrow.schema([field], metadata={"pandas": trap, "huggingface": trap})
    table = arrow.Table.from_arrays([arrow.array(["Hi", "Hello"])], schema=schema)
    rows = read(write(tmp_path, name, table))
    assert [row.value for row in rows] == [{"prompt": "Hi"}, {"prompt": "Hello"}]


def test_extension_types_are_read_as_what_they_are_stored_as(tmp_path):
    column = arrow.array([b"0123456789abcdef"], arrow.binary(16)).cast(arrow.uuid())
    table = arrow.table({"prompt": ["Hi"], "id": column})
    assert read(write(tmp_path, "a.arrow", table))[0].value["prompt"] == "Hi"
    assert type(read(tmp_path / "a.arrow")[0].value["id"]).__module__ == "builtins"


@pytest.mark.parametrize("name", FORMATS)
def test_columns_that_are_no_json_become_text_where_they_can(tmp_path, name):
    table = arrow.table(
        {
            "text": arrow.array(["é".encode()], arrow.binary()),
            "day": arrow.array([date(2024, 5, 1)]),
            "price": arrow.array([Decimal("1.50")]),
            "facts": arrow.array([[("a", "b")]], arrow.map_(arrow.string(), arrow.string())),
            "label": arrow.array(["yes"]).dictionary_encode(),
            "image": arrow.array([b"\xff\xd8"], arrow.binary()),
        }
    )
    assert read(write(tmp_path, name, table))[0].value == {
        "text": "é",
        "day": "2024-05-01",
        "price": "1.50",
        "facts": {"a": "b"},
        "label": "yes",
        "image": b"\xff\xd8",
    }


def test_a_text_that_is_not_utf8_is_a_problem_of_its_row_alone(tmp_path):
    broken = arrow.array([b"a", b"\xff", b"c"], arrow.binary()).view(arrow.string())
    rows = read(write(tmp_path, "a.parquet", arrow.table({"text": broken})))
    assert [type(row) for row in rows] == [RawRow, Problem, RawRow]
    assert str(rows[1]) == "a.parquet row 2: it holds a text that is not UTF-8; correct or remove the row"


def test_a_map_with_a_doubled_key_is_a_problem_of_its_row_alone(tmp_path):
    facts = arrow.array([[("a", "b")], [("a", "b"), ("a", "c")]], arrow.map_(arrow.string(), arrow.string()))
    rows = read(write(tmp_path, "a.arrow", arrow.table({"facts": facts})))
    assert [type(row) for row in rows] == [RawRow, Problem]


@pytest.mark.parametrize("name", FORMATS)
def test_a_doubled_column_and_a_table_that_is_too_wide_are_refused(tmp_path, name):
    twice = arrow.Table.from_arrays([arrow.array([1]), arrow.array([2])], names=["a", "a"])
    assert refusal(write(tmp_path, name, twice)) == f"{name} names the column 'a' twice; keep one"
    wide = arrow.table({f"c{n}": [1] for n in range(10_001)})
    assert f"{name} has 10,001 columns" in refusal(write(tmp_path, name, wide))


@pytest.mark.parametrize("name", FORMATS)
def test_a_table_without_rows_gives_none(tmp_path, name):
    assert read(write(tmp_path, name, arrow.table({"a": arrow.array([], arrow.string())}))) == []


def test_a_large_table_is_read_in_parts(tmp_path):
    texts = [f"{n:05}" + "x" * 20_000 for n in range(4_000)]
    path = write(tmp_path, "a.parquet", arrow.table({"text": texts}), use_dictionary=False)
    del texts
    (file,) = find_files(path.name, tmp_path, set())
    before, peak = arrow.total_allocated_bytes(), 0
    for count, row in enumerate(read_rows(file), 1):
        assert row.value["text"].startswith(f"{count - 1:05}x")
        peak = max(peak, arrow.total_allocated_bytes() - before)
    assert count == 4_000
    assert peak < 40 * 2**20
