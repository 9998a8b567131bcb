"""`hf:ORG/NAME`: which files are meant, with a hub that answers and with none."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from core.data.reading.splits import choose_split
from tunery.errors import BadInput

ROW = '{"prompt": "Hi", "completion": "Hello"}\n'
COMMIT = "0123456789abcdef0123456789abcdef01234567"

ULTRA = [
    "README.md",
    ".gitattributes",
    "dataset_infos.json",
    "data/test_sft-00000-of-00001-f7dfac4afe5b93f4.parquet",
    "data/train_gen-00000-of-00001-a6c9fb894be3e50b.parquet",
    "data/train_sft-00001-of-00002-a3ecf92756993583.parquet",
    "data/train_sft-00000-of-00002-b6a3d1c4ce4d2a8e.parquet",
]


def refusal(names, wanted=None, shown="hf:o/n"):
    with pytest.raises(BadInput) as caught:
        choose_split(names, wanted, f"{shown}:{wanted}" if wanted else shown)
    return str(caught.value)


@pytest.mark.parametrize(
    ("names", "wanted", "chosen"),
    [
        (["train.jsonl", "test.jsonl"], None, ["train.jsonl"]),
        (["train.jsonl", "test.jsonl"], "test", ["test.jsonl"]),
        (["rows.csv", "README.md", "load.py"], None, ["rows.csv"]),
        (["train/1.jsonl", "train/0.jsonl", "test/0.jsonl"], None, ["train/0.jsonl", "train/1.jsonl"]),
        (["en/train.json.gz", "de/train.json.gz"], "de/train", ["de/train.json.gz"]),
        (["en/train.json.gz", "de/train.json.gz"], "de", ["de/train.json.gz"]),
        (["part-1.parquet", "part-2.parquet"], None, ["part-1.parquet", "part-2.parquet"]),
        (ULTRA, "train_sft", [ULTRA[6], ULTRA[5]]),
        (ULTRA, "test", [ULTRA[3]]),
    ],
)
def test_one_split_is_meant(names, wanted, chosen):
    assert choose_split(names, wanted, "hf:o/n") == chosen


def test_what_may_mean_several_splits_is_refused_with_their_names():
    assert refusal(ULTRA) == "hf:o/n may mean train_gen, train_sft; name one, such as hf:o/n:train_gen"
    assert (
        refusal(ULTRA, "train")
        == "hf:o/n:train may mean train_gen, train_sft; name one, such as hf:o/n:train_gen"
    )
    names = ["main/train-00000-of-00001.parquet", "socratic/train-00000-of-00001.parquet"]
    assert "may mean main/train, socratic/train; name one" in refusal(names)
    assert "may mean dev, test; name one" in refusal(["dev.csv", "test.csv"])


def test_a_split_that_is_not_there_is_refused_with_those_that_are():
    assert refusal(["train.csv", "test.csv"], "dev") == (
        "hf:o/n has no split 'dev' but test, train; write hf:o/n:test"
    )


def test_rows_in_two_formats_and_missing_parts_are_refused():
    assert "holds train as csv and as parquet; download it" in refusal(["train.csv", "train.parquet"])
    text = refusal(["train-00000-of-00003.parquet", "train-00002-of-00003.parquet"])
    assert text.startswith("hf:o/n: 2 of 3 parts are here, train-00000-of-00003.parquet among them; ")


@pytest.mark.parametrize(
    "names", [[], ["README.md", "load.py"], ["../train.csv", "/train.csv", ".x/train.csv"]]
)
def test_a_dataset_without_data_files_is_refused_and_its_script_never_run(names):
    assert "its scripts are never run" in refusal(names)


READ = """
import sys
from pathlib import Path
from core.data.reading.files import find_files, recipe_files
from core.data.reading.rows import read_rows
from tunery.errors import TuneryError
try:
    files = find_files(sys.argv[1], Path.cwd(), set())
    assert [file.path for file in files] == recipe_files(sys.argv[1], Path.cwd())
    for file in files:
        for row in read_rows(file):
            print(row.place, row.value["prompt"])
    assert not {"torch", "transformers", "datasets"} & set(sys.modules)
except TuneryError as error:
    print("refused:", error)
"""


def read(name, cache, **environment):
    """What a process of its own reads, since the hub library settles its settings when it is imported."""
    environment = os.environ | {"HF_HOME": str(cache), "HF_HUB_DISABLE_PROGRESS_BARS": "1"} | environment
    done = subprocess.run(
        [sys.executable, "-c", READ, name], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()


def keep(cache, **files):
    """What an earlier download left in the hub library's cache."""
    folder = cache / "hub" / "datasets--org--name"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    for name, content in files.items():
        path = folder / "snapshots" / COMMIT / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".jsonl").write_text(content)


def test_without_a_network_an_earlier_download_is_read(tmp_path):
    keep(tmp_path, data__train=ROW, data__test=ROW * 2)
    assert read("hf:org/name", tmp_path, HF_HUB_OFFLINE="1") == ["hf:org/name/data/train.jsonl line 1 Hi"]
    assert len(read("hf:org/name:test", tmp_path, HF_HUB_OFFLINE="1")) == 2


def test_without_a_network_and_without_a_download_it_is_said_what_to_do(tmp_path):
    (text,) = read("hf:org/name", tmp_path, HF_HUB_OFFLINE="1")
    assert text.startswith(
        "refused: the hub cannot be reached for 'org/name', and it was never downloaded here; "
    )
    # Nobody listens there.
    (text,) = read("hf:org/name", tmp_path, HF_HUB_OFFLINE="0", HF_ENDPOINT="http://127.0.0.1:9")
    assert text.startswith("refused: the hub cannot be reached for 'org/name'")
    (text,) = read("hf:org name/", tmp_path, HF_HUB_OFFLINE="1")
    assert text.startswith("refused: hf:org name/ is no hub dataset; write hf:ORGANISATION/NAME")


FILES = {
    "train-00000-of-00002.jsonl": ROW,
    "train-00001-of-00002.jsonl": ROW,
    "test.jsonl": ROW,
    "load.py": "raise",
}


class Hub(BaseHTTPRequestHandler):
    """As much of the hub's interface as a download needs."""

    def do_GET(self):
        self.server.asked.append(self.path)
        path = self.path.split("?")[0]
        if path.startswith("/datasets/org/name/resolve/"):
            self.answer(FILES[path.rsplit("/", 1)[1]].encode(), "application/octet-stream")
        elif path.startswith("/api/datasets/org/name/tree/"):
            entries = [
                {"type": "file", "path": name, "size": len(text), "oid": f"{len(name):040}"}
                for name, text in FILES.items()
            ]
            self.answer(json.dumps(entries).encode(), "application/json")
        elif path.startswith("/api/datasets/org/name"):
            siblings = [{"rfilename": name} for name in FILES]
            facts = {"id": "org/name", "sha": COMMIT, "siblings": siblings}
            self.answer(json.dumps(facts).encode(), "application/json")
        else:
            self.answer(b"{}", "application/json", 404, {"X-Error-Code": "RepoNotFound"})

    do_HEAD = do_GET

    def answer(self, content, kind, status=200, more=()):
        self.send_response(status)
        headers = {
            "Content-Type": kind,
            "Content-Length": len(content),
            "X-Repo-Commit": COMMIT,
            **dict(more),
        }
        for name, value in (headers | {"ETag": f'"{len(content):040}"'}).items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_hub_is_asked_for_the_files_of_one_split_and_for_nothing_else(tmp_path, hub):
    here = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}"}
    rows = [
        "hf:org/name/train-00000-of-00002.jsonl line 1 Hi",
        "hf:org/name/train-00001-of-00002.jsonl line 1 Hi",
    ]
    assert read("hf:org/name", tmp_path, **here) == rows
    fetched = {path.rsplit("/", 1)[1] for path in hub.asked if "/resolve/" in path}
    assert fetched == {"train-00000-of-00002.jsonl", "train-00001-of-00002.jsonl"}
    assert read("hf:org/name", tmp_path, HF_HUB_OFFLINE="1") == rows
    (text,) = read("hf:org/other", tmp_path, **here)
    assert text.startswith("refused: the hub has no dataset 'org/other', or you may not see it; ")
