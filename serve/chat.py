"""The one renderer: messages in, token ids out, for training and for serving.

The model's own Jinja template runs in a sandbox with the settings transformers uses,
and what a person or a document wrote stays text (serve/look_alikes.py): the template's
control tokens are spelled as placeholders, and a tokenizer that spells them so encodes
the whole prompt at once. So each stretch between two control tokens is encoded whole,
exactly as transformers' `apply_chat_template` does it (the oracle in the tests).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from tokenizers.decoders import DecodeStream

from serve.borders import Borders, Sheet
from serve.look_alikes import Mark, Swap, control_tokens, respelled
from serve.script import Answer, Script, valid
from serve.template import compile_template, find_template
from serve.words import Words
from tunery.errors import BadInput
from tunery.files import read_json
from tunery.hashes import sha256_text


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


class Dialogue(Protocol):
    """What can be rendered for training: turns, and the JSON schemas of tools that they may call."""

    @property
    def messages(self) -> Sequence[Message]: ...

    @property
    def tools(self) -> Sequence[Mapping[str, Any]]: ...


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


@dataclass(frozen=True)
class _Written:
    """What the template made of a conversation: as it stands, as the tokenizer takes it, its answers."""

    raw: str
    spelled: str
    marks: list[Mark]
    answers: list[Answer]


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
        self._swap = Swap(control_tokens(tokenizer, template))
        self._tokenizer = respelled(tokenizer, self._swap)
        self._words = Words(self._tokenizer, tokenizer, self._swap)
        self._borders = Borders(self._encode, self._swap, tokenizer)
        self.vocab_size: int = self._tokenizer.get_vocab_size(with_added_tokens=True)
        self.bos_id = self._control_id("bos_token")
        self.eos_id = self._control_id("eos_token")
        self.pad_id = self._control_id("pad_token")
        self.control_ids = frozenset(self._swap.controls.values())
        self.controls = tuple(self._swap.controls)
        # What the tokenizer puts before a text that is no conversation.
        alone = self._tokenizer.encode("", add_special_tokens=True).ids[:1]
        self.text_prefix: tuple[int, ...] = tuple(alone) if alone == [self.bos_id] else ()
        # What the model's own generation_config.json says, with which every other runtime stops.
        self.generation_stop_ids = tuple(stop_tokens)

    @classmethod
    def open(cls, folder: Path, *, template: str | None = None) -> ChatFormat:
        """Read tokenizer.json, the chat template, the special tokens and the stop ids of `folder`.

        `template` takes the place of the folder's own. Raises BadInput when there is no
        tokenizer.json or no chat template.
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
        template = find_template(folder, settings) if template is None else template
        return cls(tokenizer, template, special, stop_tokens)

    @cached_property
    def stop_ids(self) -> tuple[int, ...]:
        """Ids that end an answer: the model's eos ids and the token that ends an assistant turn."""
        also = (self.eos_id, self._turn_end())
        return tuple(sorted({*self.generation_stop_ids, *(token for token in also if token is not None)}))

    def render(
        self,
        messages: Sequence[Message],
        *,
        add_generation_prompt: bool,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> Rendered:
        """Turn a conversation into token ids. `tools` are the JSON schemas of functions the model may call.

        With `add_generation_prompt` the prompt ends where the model begins to answer,
        and no spans are reported. Raises BadInput when the template refuses the
        messages or leaves out tools and calls, when text is not valid Unicode, and,
        where spans are reported, when the template changes what was rendered before or
        melts an assistant turn into its surroundings, so that no token border stands
        where the answer begins.
        """
        written = self._write(messages, tools, waiting=add_generation_prompt)
        return self._rendered(written, self._encode(written.spelled))

    def render_many(self, conversations: Iterable[Dialogue]) -> list[Rendered | BadInput]:
        """What `render` makes of each whole conversation, several times faster; a refusal is in its place."""
        results: list[_Written | BadInput] = []
        for conversation in conversations:
            try:
                results.append(self._write(conversation.messages, conversation.tools, waiting=False))
            except BadInput as refusal:
                results.append(refusal)
        spelled = [result.spelled for result in results if isinstance(result, _Written)]
        encoded = iter(self._words.encode(spelled))
        return [
            self._rendered_or_refused(result, next(encoded)) if isinstance(result, _Written) else result
            for result in results
        ]

    def encode_text(self, text: str) -> list[int]:
        """Ids of plain text; look-alikes of control tokens stay text."""
        return self._encode(valid(text))

    def encode_texts(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode_text` of each, faster."""
        return self._words.encode([valid(text) for text in texts])

    def decode(self, ids: Sequence[int], *, skip_special: bool = True) -> str:
        """The text of `ids`; control tokens are left out, or spelled as the model spells them."""
        return self._swap.restore(self._tokenizer.decode(list(ids), skip_special_tokens=skip_special))

    def decode_many(self, rows: Sequence[list[int]]) -> list[str]:
        """The text of each row of ids, without control tokens."""
        return [self._swap.restore(text) for text in self._tokenizer.decode_batch(rows)]

    def pieces(self, ids: Sequence[int]) -> Iterator[tuple[int, str]]:
        """The text of `ids` in pieces of (how many ids, their text); ids share a piece that share a letter.

        The pieces one after the other are what `decode` gives with control tokens spelled out.
        """
        stream, told, told_to = DecodeStream(skip_special_tokens=False), "", 0
        for position, number in enumerate(ids, 1):
            piece = stream.step(self._tokenizer, number)
            if piece is not None:
                yield position - told_to, self._swap.restore(piece)
                told, told_to = told + piece, position
        if told_to < len(ids):
            whole = self._tokenizer.decode(list(ids), skip_special_tokens=False)
            yield len(ids) - told_to, self._swap.restore(whole[len(told) :])

    def _write(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], *, waiting: bool
    ) -> _Written:
        script = Script(self._template, self._special, self._swap, messages, tools)
        raw = script.whole(waiting=waiting)
        spelled, marks = self._swap.exchange(raw)
        answers = [] if waiting else list(script.answers(raw, self.stop_ids))
        return _Written(raw, spelled, marks, answers)

    def _encode(self, spelled: str) -> list[int]:
        return list(self._tokenizer.encode(spelled, add_special_tokens=False).ids)

    def _rendered(self, written: _Written, ids: list[int]) -> Rendered:
        sheet = self._borders.sheet(written.raw, written.marks, ids)
        spans = [
            (self._border(sheet, answer.start, answer), self._border(sheet, answer.end, answer))
            for answer in written.answers
        ]
        return Rendered(ids, spans, self._swap.restore(written.raw))

    def _rendered_or_refused(self, written: _Written, ids: list[int]) -> Rendered | BadInput:
        try:
            return self._rendered(written, ids)
        except BadInput as refusal:
            return refusal

    def _border(self, sheet: Sheet, position: int, answer: Answer) -> int:
        """The tokens before `position`: what is trained must begin exactly as it will be served."""
        found = self._borders.find(sheet, position)
        if found is None:
            raise BadInput(
                f"turn {answer.turn + 1} (assistant) melts into the template's own text at its border, "
                "mostly because it begins with white space; remove leading white space from the answer"
            )
        return found

    def _turn_end(self) -> int | None:
        """The first control token after an assistant turn, or None where the template has none."""
        probe = [Message("user", "q"), Message("assistant", "zqxjk")]
        try:
            after = Script(self._template, self._special, self._swap, probe).write(waiting=False)
        except BadInput:
            return None
        position = after.find("zqxjk")
        controls = self._swap.controls_from(after, position) if position >= 0 else iter(())
        return next((number for _, _, number in controls), None)

    def _control_id(self, name: str) -> int | None:
        token = self._special.get(name)
        return None if token is None else self._swap.controls.get(token)


def _json_if_there(path: Path) -> dict[str, Any]:
    return dict(read_json(path)) if path.is_file() else {}
