"""The conversation loop of `tunery chat`, with a talker that repeats what it was given."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from serve.chat import Message
from tui.cli.chat import _converse
from tui.talk import Manner, ServerTalker
from tunery.errors import TuneryError
from tunery.shown import harmless


class Parrot:
    """Answers with the number of messages it saw and the last of them, in two pieces."""

    about = "parrot"

    def __init__(self) -> None:
        self.seen: list[list[str]] = []

    def answer(self, messages: Sequence[Message], manner: Manner) -> Iterator[str]:
        self.seen.append([message.content for message in messages])
        yield f"{len(messages)} "
        yield messages[-1].content


def converse(
    monkeypatch: pytest.MonkeyPatch, typed: str, *, system: str | None = None, as_json: bool = False
) -> Parrot:
    parrot = Parrot()
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    start = [Message("system", system)] if system else []
    _converse(parrot, start, Manner(), as_json)
    return parrot


def test_a_conversation_keeps_what_was_said(monkeypatch: Any, capsys: Any) -> None:
    parrot = converse(monkeypatch, "one\n\ntwo\n")
    assert parrot.seen == [["one"], ["one", "1 one", "two"]]
    assert capsys.readouterr().out == "1 one\n3 two\n"


def test_reset_forgets_all_but_the_system_message(monkeypatch: Any) -> None:
    parrot = converse(monkeypatch, "one\n/reset\ntwo\n", system="be kind")
    assert parrot.seen == [["be kind", "one"], ["be kind", "two"]]


def test_quit_leaves_and_other_commands_are_explained(monkeypatch: Any, capsys: Any) -> None:
    parrot = converse(monkeypatch, "/help\n/quit\nnever\n")
    assert parrot.seen == []
    assert "/reset" in capsys.readouterr().err


def test_as_json_each_answer_is_one_line(monkeypatch: Any, capsys: Any) -> None:
    converse(monkeypatch, "one\ntwo\n", as_json=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [{"question": "one", "answer": "1 one"}, {"question": "two", "answer": "3 two"}]


def test_a_model_cannot_move_the_cursor() -> None:
    assert harmless("a\x1b[2Jb\n\tc\x07") == "a\ufffd[2Jb\n\tc\ufffd"


@pytest.fixture
def server() -> Iterator[tuple[str, list[dict[str, Any]], list[tuple[int, str]]]]:
    """An HTTP server: its address, what it was asked, and what it answers next as (status, body)."""
    asked: list[dict[str, Any]] = []
    answers: list[tuple[int, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            asked.append({"path": self.path, **json.loads(body)})
            status, text = answers.pop(0)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    http = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}/v1", asked, answers
    http.shutdown()


def event(**body: Any) -> str:
    return f"data: {json.dumps(body)}\n\n"


def test_a_server_is_asked_the_openai_way_and_its_pieces_are_put_together(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, asked, answers = server
    # A proxy of the environment must not see what goes over loopback.
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    pieces = [event(choices=[{"delta": {"content": text}}]) for text in ("Good ", "day")]
    answers.append((200, "".join([*pieces, event(choices=[], usage={}), "data: [DONE]\n\n"])))
    talker = ServerTalker(url, "tiny")
    assert "".join(talker.answer([Message("user", "hi")], Manner(0.5, 9))) == "Good day"
    assert asked == [
        {
            "path": "/v1/chat/completions",
            "model": "tiny",
            "messages": [{"role": "user", "content": "hi"}],
            "temperature": 0.5,
            "max_tokens": 9,
            "stream": True,
        }
    ]


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (429, '{"error": {"message": "the line is full"}}', "the line is full"),
        (500, "oops", "oops"),
        (200, event(error={"message": "the engine is down"}), "the engine is down"),
    ],
)
def test_a_refusal_is_told_in_the_servers_words(server: Any, status: int, body: str, said: str) -> None:
    url, _, answers = server
    answers.append((status, body))
    with pytest.raises(TuneryError, match=said):
        list(ServerTalker(url, "tiny").answer([Message("user", "hi")], Manner()))


def test_a_server_that_is_gone_is_told(server: Any) -> None:
    with pytest.raises(TuneryError, match="does not answer"):
        list(ServerTalker("http://127.0.0.1:9/v1", "tiny").answer([Message("user", "hi")], Manner()))
