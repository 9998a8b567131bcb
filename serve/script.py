"""A conversation as the model's template writes it, and the answers in what it wrote.

The template sees no control tokens in what people wrote (serve/look_alikes.py), and may
leave nothing out: a template that knows no tools writes a conversation with calls as if
there were none, which would be trained and served without anybody noticing.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jinja2 import Template, TemplateError

from serve.look_alikes import Swap
from tunery.errors import BadInput

if TYPE_CHECKING:
    from serve.chat import Message

# What a wrong template, or a conversation it was not made for, can raise.
_TEMPLATE_ERRORS = (TemplateError, TypeError, ValueError, LookupError, ArithmeticError, RecursionError)
ROLES = ("system", "user", "assistant", "tool")


@dataclass(frozen=True)
class Answer:
    """Characters `start` to `end` of a script: what the assistant says in `turn`, and its stop token."""

    turn: int
    start: int
    end: int


class Script:
    """Writes one conversation, or its beginning. `tools` are JSON schemas of functions."""

    def __init__(
        self,
        template: Template,
        special: Mapping[str, str],
        swap: Swap,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self._template = template
        self._special = special
        self._swap = swap
        self._messages = messages
        self._hidden = [_hidden(message, swap) for message in messages]
        self._tools = swap.hide_in_json(tools) if tools else None

    def write(self, turns: int | None = None, *, waiting: bool) -> str:
        """The first `turns` turns, all by default; `waiting` for the assistant's next one or not.

        Raises BadInput when the template refuses them.
        """
        return self._write(self._hidden[:turns], self._tools, waiting)

    def whole(self, *, waiting: bool) -> str:
        """All turns. Raises BadInput, too, when the template leaves out tools, calls or a tool's answer."""
        raw = self.write(waiting=waiting)
        if self._tools and raw == self._write(self._hidden, None, waiting):
            raise BadInput(
                "the chat template says nothing of `tools`, so the model would not know them; use a model "
                "whose template has tools, or remove them"
            )
        for turn, (message, hidden) in enumerate(zip(self._messages, self._hidden, strict=True), 1):
            if message.tool_calls and raw == self._without_calls(turn - 1, waiting):
                raise BadInput(
                    f"the chat template leaves out the tool calls of turn {turn} (assistant); use a model "
                    "whose template has tools, or remove the calls"
                )
            if message.role == "tool" and not _says(raw, hidden["content"].strip()):
                raise BadInput(
                    f"the chat template leaves out what turn {turn} (tool) says; use a model whose "
                    "template has tools, or remove the turn"
                )
        return raw

    def answers(self, raw: str, stop_ids: Collection[int]) -> Iterator[Answer]:
        """The answers in `raw`, which is the whole script.

        Raises BadInput when the template changes what was rendered before, or what an
        assistant says, and when it ends an answer without a stop token.
        """
        for index, message in enumerate(self._messages):
            if message.role != "assistant":
                continue
            before = self.write(index, waiting=True)
            last = index + 1 == len(self._messages)
            after = raw if last else self.write(index + 1, waiting=False)
            if not after.startswith(before) or not raw.startswith(after):
                raise BadInput(
                    f"the chat template changes earlier text when turn {index + 1} is added, so what is "
                    "trained would not be what is served; use a model whose template leaves the history alone"
                )
            start = len(before)
            stop, end = self._first_stop(after, start, stop_ids, index)
            self._check_text(after[start:stop], index)
            yield Answer(index, start, end)

    def _write(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any] | None, waiting: bool
    ) -> str:
        try:
            return self._template.render(
                messages=messages,
                tools=tools,
                documents=None,
                add_generation_prompt=waiting,
                **self._special,
            )
        except _TEMPLATE_ERRORS as error:
            raise BadInput(f"the model's chat template refuses this conversation: {error}") from None

    def _without_calls(self, index: int, waiting: bool) -> str | None:
        """All turns but the calls of one; None where the template refuses that."""
        silent = {key: value for key, value in self._hidden[index].items() if key != "tool_calls"}
        messages = [*self._hidden[:index], silent, *self._hidden[index + 1 :]]
        try:
            return self._write(messages, self._tools, waiting)
        except BadInput:
            return None

    def _first_stop(self, text: str, position: int, stop_ids: Collection[int], index: int) -> tuple[int, int]:
        for start, end, number in self._swap.controls_from(text, position):
            if number in stop_ids:
                return start, end
        raise BadInput(
            f"the chat template ends turn {index + 1} (assistant) without a stop token; "
            "add the token that ends an answer to eos_token_id in generation_config.json"
        )

    def _check_text(self, written: str, index: int) -> None:
        hidden = self._hidden[index]
        if "tool_calls" not in hidden:
            right = written.strip() == hidden["content"].strip()
        else:
            right = hidden["content"].strip() in written and all(
                says_call(written, call["function"]) for call in hidden["tool_calls"]
            )
        if not right:
            raise BadInput(f"the chat template changes the text of turn {index + 1} (assistant)")


def says_call(text: str, function: Mapping[str, Any]) -> bool:
    """Whether `text` holds a call's name and every key and value of its arguments, as JSON or as text."""
    return function["name"] in text and all(_says(text, leaf) for leaf in _leaves(function["arguments"]))


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from _leaves(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, str):
        yield value
    else:
        yield json.dumps(value)


def _says(text: str, what: str) -> bool:
    """Whether `what` stands in `text`: plain, inside of a JSON string, or as Python spells it."""
    return (
        what in text
        or any(json.dumps(what, ensure_ascii=ascii)[1:-1] in text for ascii in (False, True))
        or (what in _PYTHON and _PYTHON[what] in text)
    )


_PYTHON = {"true": "True", "false": "False", "null": "None"}


def _hidden(message: Message, swap: Swap) -> dict[str, Any]:
    """The message as templates take it, with look-alikes hidden."""
    if message.role not in ROLES:
        raise BadInput(f"there is no role {message.role!r}; use one of {', '.join(ROLES)}")
    if message.plain:
        return {"role": message.role, "content": swap.hide(valid(message.content))}
    value = message.to_dict()
    valid(json.dumps(value, ensure_ascii=False))
    return {"role": value.pop("role"), **swap.hide_in_json(value)}


def valid(text: str) -> str:
    """`text`. Raises BadInput when it holds half a character."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadInput(
            f"the text holds half a character (a lone surrogate) at position {error.start}; "
            "send valid Unicode"
        ) from None
    return text
