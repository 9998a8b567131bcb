"""The other side of the wire: a real server that answers, fails, stalls and lies."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from core.data.generate.endpoint import ATTEMPTS, EndpointAsk, open_endpoint
from core.data.generate.request import Endpoint
from serve.chat import Message
from tunery.errors import BadInput, Stopped, TuneryError

KEY = "sk-test-0123456789"
ASKED = (Message("user", "Ask me something."),)


def answer(text: str | None) -> Response:
    return JSONResponse({"choices": [{"message": {"role": "assistant", "content": text}}]})


@dataclass
class Party:
    """What the server answers, one after another, the last one for ever; and what it was sent."""

    url: str = ""
    answers: list[Callable[[], Response]] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture(scope="module")
def running() -> Iterator[Party]:
    party = Party()
    app = FastAPI()

    @app.post("/v1/chat/completions")
    async def complete(request: Request) -> Response:
        party.bodies.append(await request.json())
        party.headers.append(dict(request.headers))
        following = party.answers.pop(0) if len(party.answers) > 1 else party.answers[0]
        return following()

    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    party.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"
    yield party
    server.should_exit = True
    thread.join()


@pytest.fixture
def party(running: Party) -> Party:
    running.answers, running.bodies, running.headers = [], [], []
    return running


@pytest.fixture
def ask(party: Party, monkeypatch: pytest.MonkeyPatch) -> Iterator[EndpointAsk]:
    monkeypatch.setenv("PARTY_KEY", KEY)
    with open_endpoint(Endpoint(party.url, "tiny", "PARTY_KEY"), first_pause=0.001) as opened:
        yield opened


def test_the_model_is_asked_as_the_api_says(party: Party, ask: EndpointAsk) -> None:
    party.answers = [lambda: answer("Hello?")]
    assert ask(ASKED, seed=5) == "Hello?"
    body = party.bodies[0]
    assert (body["model"], body["seed"]) == ("tiny", 5)
    assert body["messages"] == [{"role": "user", "content": "Ask me something."}]
    assert party.headers[0]["authorization"] == f"Bearer {KEY}"


def test_a_busy_endpoint_is_asked_again(party: Party, ask: EndpointAsk) -> None:
    party.answers = [
        lambda: PlainTextResponse("slow down", 429, {"retry-after": "0"}),
        lambda: PlainTextResponse("oops", 500),
        lambda: PlainTextResponse("later", 503),
        lambda: answer("Here I am."),
    ]
    assert ask(ASKED, seed=1) == "Here I am."
    assert len(party.bodies) == 4


def test_an_endpoint_that_never_recovers_ends_with_a_sentence(party: Party, ask: EndpointAsk) -> None:
    party.answers = [lambda: JSONResponse({"error": {"message": "over quota"}}, 429)]
    with pytest.raises(
        TuneryError, match=r"answers 429: over quota, 6 times in a row; run the same command later"
    ):
        ask(ASKED, seed=1)
    assert len(party.bodies) == ATTEMPTS


def test_nobody_at_the_address_ends_with_a_sentence() -> None:
    with (
        open_endpoint(Endpoint("http://127.0.0.1:9/v1", "tiny"), first_pause=0.001) as ask,
        pytest.raises(TuneryError, match="cannot be reached"),
    ):
        ask(ASKED, seed=1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            lambda: JSONResponse({"error": {"message": f"bad key {KEY}"}}, 401),
            r"refuses access .*\$PARTY_KEY",
        ),
        (
            lambda: JSONResponse({"error": "no such model"}, 404),
            "no such model; check --endpoint and the model 'tiny'",
        ),
        (lambda: RedirectResponse("http://127.0.0.1:9/"), "redirects elsewhere"),
        (lambda: PlainTextResponse("<html>Welcome</html>"), "does not answer as an OpenAI-compatible API"),
        (lambda: JSONResponse({"choices": []}), "does not answer as an OpenAI-compatible API"),
        (lambda: PlainTextResponse("[" * 100_000), "does not answer as an OpenAI-compatible API"),
        (lambda: PlainTextResponse(b"x" * (5 * 2**20)), "far more than an answer"),
    ],
)
def test_what_will_not_pass_is_refused_at_once(
    party: Party, ask: EndpointAsk, given: Callable[[], Response], said: str
) -> None:
    party.answers = [given]
    with pytest.raises(TuneryError, match=said) as refused:
        ask(ASKED, seed=1)
    assert KEY not in str(refused.value)
    assert len(party.bodies) == 1


def test_a_reply_without_text_is_an_empty_reply(party: Party, ask: EndpointAsk) -> None:
    party.answers = [lambda: answer(None)]
    assert ask(ASKED, seed=1) == ""


def test_leaving_ends_a_wait(party: Party, monkeypatch: pytest.MonkeyPatch) -> None:
    party.answers = [lambda: PlainTextResponse("wait", 429, {"retry-after": "60"})]
    said: list[str] = []

    def go_on(opened: EndpointAsk) -> None:
        with pytest.raises(Stopped) as stopped:
            opened(ASKED, seed=1)
        said.append(str(stopped.value))

    with open_endpoint(Endpoint(party.url, "tiny")) as opened:
        thread = threading.Thread(target=go_on, args=(opened,))
        thread.start()
        while not party.bodies:
            thread.join(0.01)
    thread.join(30)
    assert "run the same command again" in said[0]


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org/v1",
        "http://192.168.1.10:8000/v1",
        "http://127.0.0.1.example.org/v1",
        "http://localhost.example.org/v1",
    ],
)
def test_documents_are_never_sent_unencrypted_to_another_machine(address: str) -> None:
    with pytest.raises(BadInput, match="use https"), open_endpoint(Endpoint(address, "m")):
        pass


@pytest.mark.parametrize(
    "address",
    [
        "ftp://example.org",
        "example.org/v1",
        "",
        "https://",
        "http://local\nhost/v1",
        "https://user:pass@example.org/v1",
        "http://localhost@example.org/v1",
        "https://example.org/v1?key=1",
    ],
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(BadInput, match="endpoint"), open_endpoint(Endpoint(address, "m")):
        pass


@pytest.mark.parametrize("address", ["http://localhost:1/v1", "http://[::1]:1/v1", "https://example.org/v1"])
def test_this_machine_and_tls_are_allowed(address: str) -> None:
    with open_endpoint(Endpoint(address, "m")) as ask:
        assert ask.name == "m"


def test_a_key_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_KEY", raising=False)
    with (
        pytest.raises(BadInput, match="NO_KEY holds no key"),
        open_endpoint(Endpoint("https://h/v1", "m", "NO_KEY")),
    ):
        pass
    monkeypatch.setenv("NO_KEY", "sk-\u2026")
    with pytest.raises(BadInput, match="characters"), open_endpoint(Endpoint("https://h/v1", "m", "NO_KEY")):
        pass
