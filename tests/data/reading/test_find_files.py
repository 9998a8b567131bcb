"""What a path in the recipe means, and what its files are called afterwards."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.data.reading.files import find_files, recipe_files
from core.data.reading.rows import read_rows
from tunery.errors import BadInput, DataError, NotThere

ROW = '{"prompt": "Hi", "completion": "Hello"}\n'


def write(folder, *names, content=ROW):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


def shown(path, folder):
    return [file.shown for file in find_files(str(path), folder, set())]


def refusal(path, folder):
    with pytest.raises(BadInput) as caught:
        find_files(str(path), folder, set())
    return str(caught.value)


def test_a_folder_means_all_data_files_below_it_in_order(tmp_path):
    write(tmp_path, "data/b.jsonl", "data/a/z.json", "data/a/c.jsonl", "data/run.py", "data/.hidden/x.jsonl")
    assert shown("data", tmp_path) == ["data/a/c.jsonl", "data/a/z.json", "data/b.jsonl"]
    assert shown("data/", tmp_path) == shown("./data", tmp_path) == shown("data", tmp_path)
    assert shown(".", tmp_path / "data") == ["a/c.jsonl", "a/z.json", "b.jsonl"]


def test_documents_beside_records_are_notes_about_them(tmp_path):
    write(tmp_path, "data/a.jsonl", "data/README.md", "data/dataset_infos.json", "docs/x.md", "docs/y.txt")
    assert shown("data", tmp_path) == ["data/a.jsonl"]
    assert shown("docs", tmp_path) == ["docs/x.md", "docs/y.txt"]
    assert shown("data/README.md", tmp_path) == ["data/README.md"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("data/*.jsonl", ["data/a.jsonl", "data/b.jsonl"]),
        ("data/[ab].jsonl", ["data/a.jsonl", "data/b.jsonl"]),
        ("data/**/*.jsonl", ["data/a.jsonl", "data/b.jsonl", "data/in/deep/c.jsonl"]),
        ("data/**", ["data/a.jsonl", "data/b.jsonl", "data/in/deep/c.jsonl", "data/t.csv"]),
        ("*/?.csv", ["data/t.csv"]),
        ("**/deep/*", ["data/in/deep/c.jsonl"]),
    ],
)
def test_a_glob_means_the_files_that_it_matches(tmp_path, pattern, expected):
    write(tmp_path, "data/a.jsonl", "data/b.jsonl", "data/in/deep/c.jsonl")
    write(tmp_path, "data/t.csv", content="a,b\n1,2\n")
    assert shown(pattern, tmp_path) == expected


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path):
    write(tmp_path, "part[1].jsonl", "part1.jsonl")
    assert shown("part[1].jsonl", tmp_path) == ["part[1].jsonl"]


def test_names_tell_nothing_of_this_machine_and_stand_for_one_file_each(tmp_path):
    write(tmp_path, "data/a.jsonl", "other/data/a.jsonl")
    taken = set()
    paths = ["data", str(tmp_path / "other" / "data"), str(tmp_path / "data" / "a.jsonl"), "data/*.jsonl"]
    names = [file.shown for path in paths for file in find_files(path, tmp_path, taken)]
    assert names == ["data/a.jsonl", "data/a.jsonl (2)", "a.jsonl", "data/a.jsonl (3)"]
    assert taken == set(names)
    assert shown(tmp_path / "other" / "*" / "a.jsonl", tmp_path) == ["other/data/a.jsonl"]


def test_a_home_folder_is_not_shown(tmp_path, monkeypatch):
    write(tmp_path, "rows.jsonl")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert shown("~/rows.jsonl", Path("/")) == ["rows.jsonl"]


def test_names_that_are_not_utf8_can_be_printed(tmp_path):
    write(tmp_path, "data/a\udcff.jsonl")
    (name,) = shown("data", tmp_path)
    assert name.encode("utf-8").startswith(b"data/a")


def test_files_without_content_are_left_out_where_others_have_some(tmp_path):
    write(tmp_path, "data/part-1.jsonl")
    write(tmp_path, "data/part-2.jsonl", "empty/a.jsonl", "empty/b.jsonl", content="\n")
    assert shown("data", tmp_path) == ["data/part-1.jsonl"]
    assert refusal("empty", tmp_path).startswith("all files of empty are empty; ")
    assert refusal("data/part-2.jsonl", tmp_path).startswith("data/part-2.jsonl is empty; ")


def test_what_holds_no_rows_is_said_to_hold_none(tmp_path):
    write(tmp_path, "data/run.py", "packed/rows.zip")
    assert refusal("data", tmp_path).startswith("data holds no file that Tunery reads; use JSONL")
    assert refusal("data/*.jsonl", tmp_path).startswith("data/*.jsonl holds no file that Tunery reads")
    assert refusal("nowhere/*.jsonl", tmp_path).startswith("nowhere/*.jsonl holds no file")
    assert refusal("packed", tmp_path) == "packed holds archives only, such as packed/rows.zip; unpack them"
    for path in ("gone.jsonl", "data/run.py/a.jsonl", "a\0b.jsonl", "~nobody-here/a.jsonl"):
        with pytest.raises(NotThere):
            find_files(path, tmp_path, set())


def test_links_that_lead_in_circles_end_in_a_sentence_or_in_each_file_once(tmp_path):
    (tmp_path / "loop.jsonl").symlink_to("loop.jsonl")
    assert refusal("loop.jsonl", tmp_path).startswith("loop.jsonl is a link that leads back to itself; ")
    write(tmp_path, "data/in/a.jsonl")
    (tmp_path / "data/in/up").symlink_to("..")
    (tmp_path / "data/again.jsonl").symlink_to("in/a.jsonl")
    (tmp_path / "data/nowhere.lock").symlink_to("gone")
    assert shown("data", tmp_path) == shown("data/**/*.jsonl", tmp_path) == ["data/again.jsonl"]
    (tmp_path / "data/gone.jsonl").symlink_to("nowhere.jsonl")
    assert refusal("data", tmp_path).startswith("data/gone.jsonl is a link to nothing; ")


def test_a_linked_folder_is_read_like_any_other(tmp_path):
    write(tmp_path, "elsewhere/a.jsonl", "data/b.jsonl")
    (tmp_path / "data/linked").symlink_to(tmp_path / "elsewhere")
    assert shown("data", tmp_path) == ["data/b.jsonl", "data/linked/a.jsonl"]


def test_a_pipe_is_not_waited_for_and_a_file_that_cannot_be_read_is_told(tmp_path):
    os.mkfifo(tmp_path / "a.jsonl")
    assert refusal("a.jsonl", tmp_path) == "a.jsonl is not a file; name a file, a folder or a glob"
    (tmp_path / "b.jsonl").symlink_to("/proc/self/mem")
    assert refusal("b.jsonl", tmp_path).startswith("b.jsonl line 1: the file cannot be read on: ")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_what_a_person_may_not_read_is_told(tmp_path):
    write(tmp_path, "data/a.jsonl", "data/in/b.jsonl")
    (tmp_path / "data/in").chmod(0)
    assert refusal("data", tmp_path) == (
        "data/in cannot be read: Permission denied; correct the path or its permissions"
    )
    (tmp_path / "data/in").chmod(0o700)
    (tmp_path / "data/a.jsonl").chmod(0)
    assert refusal("data/a.jsonl", tmp_path).startswith("data/a.jsonl cannot be read: Permission denied; ")


def saved(folder, **splits):
    import datasets

    def dataset(name, count):
        return datasets.Dataset.from_list(
            [{"prompt": f"{name} {n}", "completion": "A"} for n in range(count)]
        )

    sets = {name: dataset(name, count) for name, count in splits.items()}
    if len(sets) > 1:
        datasets.DatasetDict(sets).save_to_disk(folder, num_shards=dict.fromkeys(sets, 2))
    else:
        next(iter(sets.values())).save_to_disk(folder, num_shards=2)


def prompts(path, folder):
    return [row.value["prompt"] for file in find_files(path, folder, set()) for row in read_rows(file)]


def test_a_saved_dataset_is_read_in_its_order(tmp_path):
    saved(tmp_path / "saved", train=5)
    assert shown("saved", tmp_path) == [
        "saved/data-00000-of-00002.arrow",
        "saved/data-00001-of-00002.arrow",
    ]
    assert prompts("saved", tmp_path) == [f"train {n}" for n in range(5)]


def test_of_a_saved_dataset_with_splits_the_rows_to_train_on_are_meant(tmp_path):
    saved(tmp_path / "saved", train=3, test=2)
    assert prompts("saved", tmp_path) == ["train 0", "train 1", "train 2"]
    assert prompts("saved/test", tmp_path) == ["test 0", "test 1"]
    saved(tmp_path / "other", first=2, second=2)
    assert refusal("other", tmp_path) == (
        "other holds the splits first, second and none called train; name one, such as other/first"
    )


@pytest.mark.parametrize(
    "name", ["../secret.arrow", "/etc/passwd", "..", "", "in/a.arrow", "a\0b", None, 3, ["a"]]
)
def test_a_saved_dataset_cannot_name_files_outside_its_folder(tmp_path, name):
    write(tmp_path, "secret.arrow", "saved/dataset_info.json", content="{}")
    write(tmp_path, "saved/state.json", content=json.dumps({"_data_files": [{"filename": name}]}))
    sentence = "saved/state.json is not as `datasets` writes it; save the dataset again"
    assert refusal("saved", tmp_path) == sentence
    write(tmp_path, "split/dataset_dict.json", content=json.dumps({"splits": [name]}))
    assert refusal("split", tmp_path) == sentence.replace("saved/state", "split/dataset_dict")


@pytest.mark.parametrize("state", ["", "[]", "{", "[" * 5000, '{"_data_files": 3}', '{"_data_files": [3]}'])
def test_a_saved_dataset_with_a_broken_state_is_refused(tmp_path, state):
    write(tmp_path, "saved/dataset_info.json", content="{}")
    write(tmp_path, "saved/state.json", content=state)
    assert "saved/state.json is not as `datasets` writes it" in refusal("saved", tmp_path)


def test_the_files_for_a_fingerprint_are_those_that_are_read(tmp_path):
    write(tmp_path, "data/a.jsonl", "data/in/b.jsonl", "data/README.md")
    saved(tmp_path / "saved", train=3, test=2)
    for path in ("data", "data/*.jsonl", "data/a.jsonl", "saved"):
        found = [file.path for file in find_files(path, tmp_path, set())]
        assert recipe_files(path, tmp_path) == found
        assert all(file.is_file() for file in found)


HEAVY = """
import sys
from pathlib import Path
from core.data.reading.files import find_files, recipe_files
from core.data.reading.rows import read_rows
folder = Path(sys.argv[1])
assert len(recipe_files("data", folder)) == 2
assert len([row for file in find_files("data", folder, set()) for row in read_rows(file)]) == 2
heavy = ("torch", "transformers", "datasets", "numpy", "pyarrow", "pandas", "huggingface_hub", "pydantic")
print([name for name in heavy if name in sys.modules])
"""


def test_finding_and_reading_text_files_loads_nothing_heavy(tmp_path):
    write(tmp_path, "data/a.jsonl", "data/b.json")
    done = subprocess.run(
        [sys.executable, "-c", HEAVY, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_file_that_goes_away_between_finding_and_reading_is_told(tmp_path):
    write(tmp_path, "a.jsonl")
    (file,) = find_files("a.jsonl", tmp_path, set())
    (tmp_path / "a.jsonl").unlink()
    with pytest.raises(NotThere, match=r"^a\.jsonl does not exist; "):
        list(read_rows(file))
    write(tmp_path, "a.parquet")
    (file,) = find_files("a.parquet", tmp_path, set())
    (tmp_path / "a.parquet").unlink()
    with pytest.raises(DataError, match=r"^a\.parquet is not readable Parquet: "):
        list(read_rows(file))
