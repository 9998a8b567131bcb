"""Reading a chat completion request: everything we cannot do is refused by name."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from serve.answer import Question
from serve.api.errors import Refusal
from serve.chat import Message

MAX_BODY_BYTES = 5 * 2**20

# Accepted and without effect on the answer.
_IGNORED = frozenset(
    {
        "metadata",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "user",
    }
)
# Not supported, but accepted with a value that asks for nothing.
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "frequency_penalty": (0,),
    "logprobs": (False,),
    "modalities": (["text"],),
    "n": (1,),
    "parallel_tool_calls": (True, False),
    "presence_penalty": (0,),
    "response_format": ({"type": "text"},),
    "tool_choice": ("none",),
}
_OPENAI_ONLY = frozenset(
    {
        "audio",
        "function_call",
        "functions",
        "logit_bias",
        "prediction",
        "reasoning_effort",
        "tools",
        "top_logprobs",
        "verbosity",
        "web_search_options",
    }
)
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}

_MAX_STOPS = 4
_MAX_STOP_LENGTH = 256


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class StreamOptions(_Body):
    include_usage: bool | None = None


class ChatRequest(_Body):
    """The parameters we act on; names and limits are OpenAI's."""

    model: str
    messages: list[dict[str, Any]]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stop: Any = None

    def question(self) -> Question:
        """What is asked. Raises Refusal for messages that cannot be rendered as they are."""
        limits = {value for value in (self.max_tokens, self.max_completion_tokens) if value is not None}
        if len(limits) > 1:
            _refuse("max_tokens and max_completion_tokens differ; send one of them", "max_tokens")
        return Question(
            messages=_read_messages(self.messages),
            max_tokens=limits.pop() if limits else None,
            temperature=0.0 if self.temperature is None else self.temperature,
            top_p=1.0 if self.top_p is None else self.top_p,
            seed=self.seed,
            stop=_read_stops(self.stop),
        )

    @property
    def wants_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)


def read_request(body: bytes, model_name: str) -> ChatRequest:
    """Parse and check a request body. Raises Refusal (400) that names the parameter."""
    value = _read_json(body)
    for name in sorted(value):
        _check_parameter(name, value[name])
    known = {name: item for name, item in value.items() if name in ChatRequest.model_fields}
    try:
        request = ChatRequest.model_validate(known)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(
            str(part) for part in first["loc"] if not str(part).startswith(("constrained", "list["))
        )
        _refuse(f"{where}: {first['msg'][:1].lower()}{first['msg'][1:]}", where)
    if request.model != model_name:
        _refuse(
            f"there is no model {_shown(request.model)} here; use {model_name!r}", "model", "model_not_found"
        )
    if request.stream_options is not None and not request.stream:
        _refuse("stream_options is for streams; set stream to true or leave it out", "stream_options")
    return request


def _read_json(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        _refuse(f"the body is not UTF-8 (byte {error.start})")
    except json.JSONDecodeError as error:
        _refuse(f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}")
    except RecursionError:
        _refuse("the body is nested too deeply")
    except ValueError as error:  # an integer of thousands of digits
        _refuse(f"the body holds a number that cannot be read: {error}")
    if not isinstance(value, dict):
        _refuse("the body must be a JSON object")
    return value


def _refuse_constant(name: str) -> NoReturn:
    _refuse(f"{name} is not JSON; send a number")


def _check_parameter(name: str, value: Any) -> None:
    if name in ChatRequest.model_fields or name in _IGNORED:
        return
    if name not in _NEUTRAL and name not in _OPENAI_ONLY:
        _refuse(f"unknown parameter {_shown(name)}", _plain(name), "unknown_parameter")
    if value is None or value in ([], {}) or any(value == neutral for neutral in _NEUTRAL.get(name, ())):
        return
    _refuse(f"{name} is not supported here; leave it out", name, "unsupported_parameter")


def _read_stops(value: Any) -> tuple[str, ...]:
    stops = [] if value is None else [value] if isinstance(value, str) else value
    if (
        not isinstance(stops, list)
        or len(stops) > _MAX_STOPS
        or not all(isinstance(stop, str) and 0 < len(stop) <= _MAX_STOP_LENGTH for stop in stops)
    ):
        _refuse(
            f"stop must be a string or up to {_MAX_STOPS}, of 1 to {_MAX_STOP_LENGTH} characters each",
            "stop",
        )
    # Half a character can never be generated, and the engine would choke on it.
    return tuple(stop for stop in stops if _is_unicode(stop))


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _read_messages(messages: list[dict[str, Any]]) -> tuple[Message, ...]:
    if not messages:
        _refuse("messages is empty; send at least one", "messages")
    read = tuple(_read_message(message, f"messages[{index}]") for index, message in enumerate(messages))
    if read[-1].role == "assistant":
        _refuse("the last message is the assistant's own; end with what it should answer", "messages")
    return read


def _read_message(message: dict[str, Any], where: str) -> Message:
    role = message.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        _refuse(f"{where}.role is {_shown(role)}; use one of {', '.join(_ROLES)}", f"{where}.role")
    for name, value in message.items():
        if name not in ("role", "content") and value not in (None, [], {}):
            _refuse(f"{where}.{_plain(name)} is not supported here; leave it out", f"{where}.{_plain(name)}")
    return Message(_ROLES[role], _read_content(message.get("content"), f"{where}.content"))


def _read_content(content: Any, where: str) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        _refuse(f"{where} must be text, or a list of text parts", where)
    texts = []
    for index, part in enumerate(content):
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            _refuse(f"{where}[{index}] is not a text part; this model reads text only", f"{where}[{index}]")
        texts.append(part["text"])
    return "\n".join(texts)


def _shown(value: Any) -> str:
    """A client's value for a message: short, and printable whatever it is."""
    return ascii(value)[:80]


def _plain(name: str) -> str:
    return _shown(name).strip("'")


def _refuse(message: str, param: str | None = None, code: str | None = None) -> NoReturn:
    raise Refusal(400, message, param, code)
