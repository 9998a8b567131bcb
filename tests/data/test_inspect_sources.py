"""What `tunery check` learns of the data: without a model, and without loading anything heavy."""

import json
import subprocess
import sys
import tempfile

import pytest

from core.data.inspect import inspect_sources
from core.data.scratch import scratch_folder
from core.recipe.data import DataSection, DataSource, Split
from tunery.errors import DataError
from tunery.hashes import sha256_file


def section(*paths, **split):
    return DataSection(sources=tuple(DataSource(path=path) for path in paths), split=Split(**split))


def test_a_good_file_is_described_in_the_agreed_shape(tiny_rows):
    report = inspect_sources(section(tiny_rows.name), tiny_rows.parent)
    value = json.loads(json.dumps(report.to_json()))
    assert value["sources"] == [
        {
            "path": "tiny.jsonl",
            "format": "messages",
            "file_format": "jsonl",
            "detected": True,
            "rows": 40,
            "usable": 40,
            "task": None,
            "sha256": sha256_file(tiny_rows),
            "bytes": tiny_rows.stat().st_size,
            "findings": [],
            "tokens": {"trained": None, "context": None, "max_length": None, "lengths": None},
        }
    ]
    assert {name: facts["rows"] for name, facts in value["splits"].items()} == {
        "train": 32,
        "validation": 4,
        "test": 4,
    }
    report.refuse_bad_rows()


def test_bad_rows_are_findings_and_a_refusal_when_asked(tiny_rows):
    with tiny_rows.open("a", encoding="utf-8") as file:
        file.write('{"messages": [{"role": "user", "content": "Hi"}]}\n{broken\n')
        file.write('{"messages": [{"role": "human", "content": "Hi \\ud83d"}]}\n')
    report = inspect_sources(section(tiny_rows.name), tiny_rows.parent)
    assert (report.rows, report.usable) == (43, 40)
    findings = report.to_json()["sources"][0]["findings"]
    assert {finding["code"] for finding in findings} == {"no_answer", "broken_json", "lone_surrogate"}
    assert all(finding["severity"] == "error" and finding["fix"] for finding in findings)
    assert {finding["examples"][0]["line"] for finding in findings} == {41, 42, 43}
    with pytest.raises(DataError, match=r"^tiny\.jsonl line 41: .* \(and 2 more rows cannot be used\)$"):
        report.refuse_bad_rows()


def test_keys_that_are_not_read_are_a_note(tmp_path):
    rows = [{"prompt": f"Q{n}", "completion": "A", "colour": n} for n in range(12)]
    (tmp_path / "a.json").write_text(json.dumps(rows, indent=1))
    (finding,) = inspect_sources(section("a.json"), tmp_path).to_json()["sources"][0]["findings"]
    assert (finding["code"], finding["severity"], finding["count"]) == ("ignored_key", "note", 12)
    assert finding["examples"] == [{"line": 2, "text": "`colour` in 12 rows"}]


def test_a_file_in_which_no_line_can_be_read_is_refused(tmp_path):
    (tmp_path / "a.jsonl").write_text("nothing\nof use\n")
    with pytest.raises(DataError, match=r"^a\.jsonl line 1: .*\(and 1 more row cannot be used\)$"):
        inspect_sources(section("a.jsonl"), tmp_path)
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(DataError, match=r"^a\.json holds no rows"):
        inspect_sources(section("a.json"), tmp_path)


def test_a_split_without_rows_is_refused_by_the_light_check_too(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"prompt": "Q", "completion": "A"}\n')
    report = inspect_sources(section("a.jsonl"), tmp_path).to_json()
    (finding,) = [item for item in report["sources"][0]["findings"] if item["severity"] == "error"]
    assert finding["code"] == "no_split"
    assert "add rows, or set the share to 0" in finding["examples"][0]["text"]


def test_what_a_killed_look_left_is_swept_away_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left = tmp_path / "tunery-look-dead"
    left.mkdir()
    (left / "lock").touch()
    (left / "ledger.db").touch()
    with scratch_folder() as mine, scratch_folder() as other:
        assert not left.exists()
        assert mine.is_dir()
        assert other.is_dir()
    assert list(tmp_path.iterdir()) == []


HEAVY = """
import sys
from pathlib import Path
from core.data.inspect import inspect_sources
from core.data.scratch import scratch_folder
from core.recipe.data import DataSection
folder, name = Path(sys.argv[1]), sys.argv[2]
inspect_sources(DataSection(sources=[{"path": name}]), folder).refuse_bad_rows()
print([name for name in ("torch", "transformers", "pyarrow", "pandas", "ftfy") if name in sys.modules])
"""


def test_inspecting_loads_nothing_heavy(tiny_rows):
    command = [sys.executable, "-c", HEAVY, str(tiny_rows.parent), tiny_rows.name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
