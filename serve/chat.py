"""The one renderer: messages in, token ids out, for training and for serving.

The model's own Jinja template runs in a sandbox with the settings transformers
uses. What a person or a document wrote stays text: before the template runs, every
look-alike of a control token in a message becomes a placeholder of private-use
characters that nobody can guess. In the rendered prompt the two change places: the
template's own control tokens become placeholders, the look-alikes become plain text
again, and a tokenizer whose control tokens are spelled as placeholders encodes the
whole prompt at once. So each stretch between two control tokens is encoded whole,
exactly as transformers' `apply_chat_template` does it (the oracle in the tests).
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from tokenizers import Tokenizer

from serve.template import compile_template
from tunery.errors import BadInput
from tunery.files import read_json
from tunery.hashes import sha256_text

# What a wrong template, or a conversation it was not made for, can raise.
_TEMPLATE_ERRORS = (TemplateError, TypeError, ValueError, LookupError, ArithmeticError, RecursionError)
ROLES = ("system", "user", "assistant", "tool")


@dataclass(frozen=True)
class ToolCall:
    """A function that the model wants called. `arguments` is JSON, already parsed."""

    name: str
    arguments: Mapping[str, Any]
    id: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The shape that chat templates and OpenAI's API use."""
        call = {"type": "function", "function": {"name": self.name, "arguments": dict(self.arguments)}}
        return call if self.id is None else {**call, "id": self.id}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> ToolCall:
        return cls(value["function"]["name"], value["function"]["arguments"], value.get("id"))


@dataclass(frozen=True)
class Message:
    """One turn of a conversation.

    An assistant may call tools, with or without words; a tool turn says in `name` and
    `tool_call_id`, where they are known, which call it answers.
    """

    role: str
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    name: str | None = None
    tool_call_id: str | None = None

    @property
    def plain(self) -> bool:
        """Whether role and content say everything."""
        return not self.tool_calls and self.name is None and self.tool_call_id is None

    def changed(self, change: Callable[[str], str]) -> Message:
        """The same turn with `change` applied to its text, and to the texts in its calls' arguments."""
        if not self.tool_calls:
            return replace(self, content=change(self.content))
        calls = tuple(
            replace(call, arguments=_changed_json(call.arguments, change)) for call in self.tool_calls
        )
        return replace(self, content=change(self.content), tool_calls=calls)

    def to_dict(self) -> dict[str, Any]:
        value: dict[str, Any] = {"role": self.role, "content": self.content}
        if self.tool_calls:
            value["tool_calls"] = [call.to_dict() for call in self.tool_calls]
        if self.name is not None:
            value["name"] = self.name
        if self.tool_call_id is not None:
            value["tool_call_id"] = self.tool_call_id
        return value

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Message:
        calls = tuple(ToolCall.from_dict(call) for call in value.get("tool_calls", ()))
        return cls(value["role"], value["content"], calls, value.get("name"), value.get("tool_call_id"))


def _changed_json(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _changed_json(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [_changed_json(item, change) for item in value]
    return value


@dataclass(frozen=True)
class Rendered:
    """A conversation as the model sees it.

    `assistant` holds half-open spans of `ids`, one an assistant turn: its own text
    plus its stop token. It is empty for a prompt that waits for an answer. `text` is
    the prompt for people; look-alikes cannot be told from control tokens in it.
    """

    ids: list[int]
    assistant: list[tuple[int, int]]
    text: str


class ChatFormat:
    """A model's tokenizer, template and stop tokens. `open` makes one from a folder."""

    def __init__(
        self,
        tokenizer: Mapping[str, Any],
        template: str,
        special: Mapping[str, str],
        stop_tokens: Sequence[int],
    ) -> None:
        """`tokenizer` is tokenizer.json parsed, `special` maps names such as "eos_token" to tokens."""
        self.template_sha256 = sha256_text(template)
        self._special = dict(special)
        self._template = compile_template(template)
        self._controls = _control_tokens(tokenizer, template)
        self._swap = _Swap(sorted(self._controls, key=len, reverse=True))
        self._tokenizer = self._respelled(tokenizer)
        self.vocab_size: int = self._tokenizer.get_vocab_size(with_added_tokens=True)
        self.bos_id = self._control_id(special.get("bos_token"))
        self._stop_tokens = tuple(stop_tokens)

    @classmethod
    def open(cls, folder: Path) -> ChatFormat:
        """Read tokenizer.json, the chat template, the special tokens and the stop ids of `folder`.

        Raises BadInput when there is no tokenizer.json or no chat template.
        """
        if not (folder / "tokenizer.json").is_file():
            raise BadInput(f"{folder} has no tokenizer.json; save the model's fast tokenizer into it")
        settings = _json_if_there(folder / "tokenizer_config.json")
        special = {
            name: token if isinstance(token, str) else token["content"]
            for name, token in settings.items()
            if name.endswith("_token") and isinstance(token, str | dict)
        }
        stops = _json_if_there(folder / "generation_config.json").get("eos_token_id")
        stop_tokens = stops if isinstance(stops, list) else [] if stops is None else [stops]
        tokenizer = read_json(folder / "tokenizer.json")
        return cls(tokenizer, _find_template(folder, settings), special, stop_tokens)

    @cached_property
    def stop_ids(self) -> tuple[int, ...]:
        """Ids that end an answer: the model's eos ids and the token that ends an assistant turn."""
        found = set(self._stop_tokens)
        eos = self._control_id(self._special.get("eos_token"))
        return tuple(sorted(found | {token for token in (eos, self._turn_end()) if token is not None}))

    def render(self, messages: Sequence[Message], *, add_generation_prompt: bool) -> Rendered:
        """Turn a conversation into token ids.

        With `add_generation_prompt` the prompt ends where the model begins to answer,
        and no spans are reported. Raises BadInput when the template refuses the
        messages, when text is not valid Unicode, and, where spans are reported, when
        the template changes what was rendered before or melts an assistant turn into
        its surroundings, so that no token border stands where the answer begins.
        """
        raw = self._run_template(messages, add_generation_prompt)
        ids = self._encode(raw)
        spans = [] if add_generation_prompt else self._assistant_spans(messages, raw, ids)
        return Rendered(ids, spans, self._swap.restore(raw))

    def encode_text(self, text: str) -> list[int]:
        """Ids of plain text; look-alikes of control tokens stay text."""
        return list(self._tokenizer.encode(_valid(text), add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int], *, skip_special: bool = True) -> str:
        """The text of `ids`; control tokens are left out, or spelled as the model spells them."""
        return self._swap.restore(self._tokenizer.decode(list(ids), skip_special_tokens=skip_special))

    def _run_template(self, messages: Sequence[Message], add_generation_prompt: bool) -> str:
        hidden = []
        for message in messages:
            if message.role not in ROLES:
                raise BadInput(f"there is no role {message.role!r}; use one of {', '.join(ROLES)}")
            hidden.append({"role": message.role, "content": self._swap.hide(_valid(message.content))})
        try:
            return self._template.render(
                messages=hidden,
                tools=None,
                documents=None,
                add_generation_prompt=add_generation_prompt,
                **self._special,
            )
        except _TEMPLATE_ERRORS as error:
            raise BadInput(f"the model's chat template refuses this conversation: {error}") from None

    def _encode(self, raw: str) -> list[int]:
        return list(self._tokenizer.encode(self._swap.exchange(raw), add_special_tokens=False).ids)

    def _assistant_spans(
        self, messages: Sequence[Message], raw: str, ids: list[int]
    ) -> list[tuple[int, int]]:
        spans = []
        for index, message in enumerate(messages):
            if message.role != "assistant":
                continue
            before = self._run_template(messages[:index], True)
            after = self._run_template(messages[: index + 1], False)
            if not after.startswith(before) or not raw.startswith(after):
                raise BadInput(
                    f"the chat template changes earlier text when turn {index + 1} is added, so what is "
                    "trained would not be what is served; use a model whose template leaves the history alone"
                )
            answer, stop = self._until_stop(after[len(before) :], index)
            if answer.strip() != self._swap.hide(message.content).strip():
                raise BadInput(f"the chat template changes the text of turn {index + 1} (assistant)")
            start = self._token_border(before, ids, index)
            spans.append((start, self._token_border(before + answer + stop, ids, index)))
        return spans

    def _until_stop(self, rest: str, index: int) -> tuple[str, str]:
        for found in self._swap.find_controls(rest):
            if self._controls[found.group()] in self.stop_ids:
                return rest[: found.start()], found.group()
        raise BadInput(
            f"the chat template ends turn {index + 1} (assistant) without a stop token; "
            "add the token that ends an answer to eos_token_id in generation_config.json"
        )

    def _token_border(self, prefix: str, ids: list[int], index: int) -> int:
        """How many tokens `prefix` is; what is trained must begin exactly as it will be served."""
        head = self._encode(prefix)
        if ids[: len(head)] != head:
            raise BadInput(
                f"turn {index + 1} (assistant) melts into the template's own text at its border, mostly "
                "because it begins with white space; remove leading white space from the answer"
            )
        return len(head)

    def _turn_end(self) -> int | None:
        """The first control token after an assistant turn, or None where the template has none."""
        try:
            after = self._run_template([Message("user", "q"), Message("assistant", "zqxjk")], False)
        except BadInput:
            return None
        found = next(self._swap.find_controls(after.partition("zqxjk")[2]), None)
        return self._controls[found.group()] if found else None

    def _control_id(self, token: str | None) -> int | None:
        return None if token is None else self._controls.get(token)

    def _respelled(self, document: Mapping[str, Any]) -> Tokenizer:
        """The tokenizer with its control tokens spelled as placeholders, ids unchanged."""
        spell = self._swap.placeholders
        model = dict(document["model"])
        vocabulary = model["vocab"]
        if isinstance(vocabulary, dict):
            model["vocab"] = {spell.get(token, token): number for token, number in vocabulary.items()}
        else:
            model["vocab"] = [[spell.get(token, token), score] for token, score in vocabulary]
        if isinstance(model.get("unk_token"), str):
            model["unk_token"] = spell.get(model["unk_token"], model["unk_token"])
        added = [
            {**token, "content": spell.get(token["content"], token["content"])}
            for token in document["added_tokens"]
        ]
        tokenizer = Tokenizer.from_str(json.dumps({**document, "model": model, "added_tokens": added}))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        for token, number in self._controls.items():
            if tokenizer.token_to_id(spell[token]) != number:
                raise BadInput(f"tokenizer.json gives the control token {token!r} no fixed id; save it again")
        return tokenizer


class _Swap:
    """Exchanges control tokens and their placeholders in a text."""

    def __init__(self, controls: Sequence[str]) -> None:
        """`controls` are ordered longest first, so that a token wins over the tokens it contains."""
        # Four characters of 65,000 each, drawn anew in every process: text cannot name them.
        nonce = "".join(chr(0xF0000 + secrets.randbelow(0xFFFE)) for _ in range(4))
        self.placeholders = {token: nonce + chr(0x100000 + n) for n, token in enumerate(controls)}
        self._tokens = {placeholder: token for token, placeholder in self.placeholders.items()}
        self._both = {**self.placeholders, **self._tokens}
        either = "|".join(map(re.escape, controls)) or "(?!)"
        self._control = re.compile(either)
        self._placeholder = re.compile(f"{re.escape(nonce)}[\U00100000-\U0010fffd]")
        self._any = re.compile(f"{self._placeholder.pattern}|{either}")

    def hide(self, text: str) -> str:
        return self._control.sub(lambda found: self.placeholders[found.group()], text)

    def restore(self, text: str) -> str:
        return self._placeholder.sub(lambda found: self._tokens[found.group()], text)

    def exchange(self, text: str) -> str:
        return self._any.sub(lambda found: self._both[found.group()], text)

    def find_controls(self, text: str) -> Any:
        return self._control.finditer(text)


def _control_tokens(tokenizer: Mapping[str, Any], template: str) -> dict[str, int]:
    """Special tokens, and added tokens that the template itself writes; white space is text."""
    return {
        token["content"]: token["id"]
        for token in tokenizer["added_tokens"]
        if token["content"]
        and (token["special"] or (token["content"] in template and not token["content"].isspace()))
    }


def _find_template(folder: Path, settings: Mapping[str, Any]) -> str:
    beside = folder / "chat_template.jinja"
    if beside.is_file():
        return beside.read_text(encoding="utf-8")
    template = settings.get("chat_template")
    if isinstance(template, list):
        template = next((entry["template"] for entry in template if entry["name"] == "default"), None)
    if not isinstance(template, str):
        raise BadInput(
            f"{folder} has no chat template; use an instruction-tuned model, "
            "or put its template into chat_template.jinja there"
        )
    return template


def _json_if_there(path: Path) -> dict[str, Any]:
    return dict(read_json(path)) if path.is_file() else {}


def _valid(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadInput(
            f"the text holds half a character (a lone surrogate) at position {error.start}; "
            "send valid Unicode"
        ) from None
    return text
