"""Servers outlive what started them, tell how they are, and end cleanly."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import openai
import pytest

from serve.config import ServeSection
from serve.servers import (
    ServerRecord,
    find_server,
    forget_server,
    list_servers,
    process_start,
    read_server,
    start_server,
    stop_server,
    write_status,
)
from tunery.errors import BadInput, BrokenIntegrity, NotThere

SECTION = ServeSection(port=0, slots=1, threads=1, context_length=256)
STORY = [{"role": "user", "content": "Write a long story about a lighthouse."}]


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(pid: int) -> bool:
    return process_start(pid) is None


def wait_until(true, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_a_server_is_listed_and_drains_when_it_is_stopped(served_folder: Path, tmp_path: Path) -> None:
    record = start_server(tmp_path, served_folder, SECTION, "Support Desk")
    assert record.id.startswith("support-desk-")
    assert list_servers(tmp_path) == [record] == [find_server(tmp_path, None)]
    engine = children(record.pid)
    client = openai.OpenAI(base_url=record.url, api_key="x", max_retries=0)
    stream = client.chat.completions.create(model="Support Desk", messages=STORY, stream=True, max_tokens=60)
    pieces = [next(stream)]
    stopping = threading.Thread(target=stop_server, args=(tmp_path, record.id))
    stopping.start()
    pieces += list(stream)
    stopping.join()
    assert pieces[-1].choices[0].finish_reason in ("length", "stop")
    ended = read_server(tmp_path / record.id)
    assert (ended.state, ended.error, ended.alive) == ("stopped", None, False)
    assert all(gone(pid) for pid in (record.pid, *engine))
    assert stop_server(tmp_path, record.id) == ended
    with pytest.raises(NotThere):
        find_server(tmp_path, None)
    forget_server(tmp_path, record.id)
    assert list_servers(tmp_path) == []


def test_a_killed_server_is_found_to_be_gone_and_takes_its_engine_along(served_folder, tmp_path) -> None:
    record = start_server(tmp_path, served_folder, SECTION, "support")
    [engine] = children(record.pid)
    os.kill(record.pid, signal.SIGKILL)
    wait_until(lambda: gone(record.pid) and gone(engine))
    assert json.loads((tmp_path / record.id / "status.json").read_text())["state"] == "ready"
    [found] = list_servers(tmp_path)
    assert found.state == "failed"
    assert "without a word" in (found.error or "")


def test_a_pid_that_was_given_to_another_process_is_no_server(tmp_path) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    record = ServerRecord("old", "m", "/m", None, os.getpid(), 1, "ready", "2026-01-01T00:00:00+00:00")
    write_status(folder, record)
    assert list_servers(tmp_path)[0].state == "failed"


def test_a_crashed_engine_makes_the_server_unready_until_it_is_back(served_folder, tmp_path) -> None:
    record = start_server(tmp_path, served_folder, SECTION, "support")
    try:
        base = str(record.url).removesuffix("/v1")
        client = openai.OpenAI(base_url=record.url, api_key="x", max_retries=0)
        stream = client.chat.completions.create(model="support", messages=STORY, stream=True, max_tokens=200)
        next(stream)
        [engine] = children(record.pid)
        os.kill(engine, signal.SIGKILL)
        with pytest.raises(openai.APIError, match="being restarted"):
            list(stream)
        answer = httpx.get(f"{base}/readyz")
        assert answer.status_code == 503
        assert httpx.get(f"{base}/healthz").status_code == 200
        with pytest.raises(openai.InternalServerError) as caught:
            client.chat.completions.create(model="support", messages=STORY, max_tokens=1)
        assert caught.value.status_code == 503
        wait_until(lambda: httpx.get(f"{base}/readyz").status_code == 200)
        assert client.chat.completions.create(model="support", messages=STORY, max_tokens=1).choices
    finally:
        stop_server(tmp_path, record.id)


def test_a_port_in_use_is_one_sentence_and_leaves_no_process(served_folder, tmp_path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadInput, match=f"port {port} is in use"):
            start_server(tmp_path, served_folder, ServeSection(port=port, threads=1), "support")
    [failed] = list_servers(tmp_path)
    assert (failed.state, gone(failed.pid)) == ("failed", True)


@pytest.mark.parametrize(
    ("section", "error", "sentence"),
    [
        (ServeSection(port=0, host="no.such.host.invalid"), BadInput, "no address"),
        (ServeSection(port=0, context_length=100_000), BadInput, "set it lower"),
    ],
)
def test_a_section_that_cannot_be_served_is_refused(
    served_folder, tmp_path, section, error, sentence
) -> None:
    with pytest.raises(error, match=sentence):
        start_server(tmp_path, served_folder, section, "support")


def test_a_changed_model_is_not_served(served_folder, tmp_path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for path in served_folder.iterdir():
        (folder / path.name).symlink_to(path.resolve())
    (folder / "chat_template.jinja").unlink()
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    with pytest.raises(BrokenIntegrity, match="not the file that was exported"):
        start_server(tmp_path / "servers", folder, SECTION, "support")


def test_a_stop_while_the_model_loads_ends_the_server(served_folder, tmp_path) -> None:
    folder = tmp_path / "early"
    folder.mkdir()
    order = {"model_folder": str(served_folder), "name": "m", "section": SECTION.model_dump(mode="json")}
    (folder / "serve.json").write_text(json.dumps(order))
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "serve.server", str(folder)], stderr=subprocess.DEVNULL
    )
    wait_until(lambda: (folder / "status.json").exists() or process.poll() is not None)
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    assert not read_server(folder).alive


def test_a_folder_of_the_users_named_serve_is_not_imported(served_folder, tmp_path, monkeypatch) -> None:
    for name in ("serve", "tunery", "core"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the wrong package')")
    monkeypatch.chdir(tmp_path)
    record = start_server(tmp_path / "servers", served_folder, SECTION, "support")
    assert stop_server(tmp_path / "servers", record.id).state == "stopped"


@pytest.mark.parametrize(
    ("module", "never"),
    [
        (
            "serve.servers",
            {"pydantic", "jinja2", "tokenizers", "fastapi", "uvicorn", "httpx", "numpy", "asyncio"},
        ),
        ("serve.model_folder", {"pydantic", "fastapi", "uvicorn", "httpx", "numpy", "xllamacpp"}),
        ("serve.server", {"torch", "transformers", "numpy", "xllamacpp", "chromadb", "core"}),
    ],
)
def test_a_module_loads_only_what_it_needs(module: str, never: set[str]) -> None:
    code = f"import {module}, sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert never.isdisjoint(loaded)
