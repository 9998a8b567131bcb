"""What one row of data can be, whatever file it came from.

Each kind serves some training methods: a conversation sft and distill, a text pretrain,
a labelled text classify, a preference dpo, orpo and reward, an unpaired judgement kto,
a prompt grpo and rloo. Every example can name its turns and be rebuilt with changed
text, so that cleaning and redaction need to know no kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from serve.chat import Message
from tunery.hashes import sha256_json

Kind = Literal["conversation", "text", "classification", "preference", "unpaired", "prompt"]
KINDS: tuple[Kind, ...] = ("conversation", "text", "classification", "preference", "unpaired", "prompt")

Turns = tuple[Message, ...]
# Changes one text; called for every content of every turn, in order.
Change = Callable[[str], str]


@dataclass(frozen=True)
class Conversation:
    """Turns that end with an answer. `tools` are JSON schemas of functions the model may call."""

    kind: ClassVar[Kind] = "conversation"
    messages: Turns
    tools: tuple[Mapping[str, Any], ...] = ()

    def turns(self) -> Iterator[Message]:
        yield from self.messages

    def changed(self, change: Change) -> Conversation:
        return replace(self, messages=_changed(self.messages, change))

    def to_json(self) -> dict[str, Any]:
        tools = {"tools": list(self.tools)} if self.tools else {}
        return {"messages": _json(self.messages), **tools}


@dataclass(frozen=True)
class PlainText:
    """Raw text, for continued pre-training."""

    kind: ClassVar[Kind] = "text"
    text: str

    def turns(self) -> Iterator[Message]:
        yield Message("text", self.text)

    def changed(self, change: Change) -> PlainText:
        return PlainText(change(self.text))

    def to_json(self) -> dict[str, Any]:
        return {"text": self.text}


@dataclass(frozen=True)
class Labelled:
    """A text and the classes that it belongs to; one for single-label classification."""

    kind: ClassVar[Kind] = "classification"
    text: str
    labels: tuple[str, ...]

    def turns(self) -> Iterator[Message]:
        yield Message("text", self.text)

    def changed(self, change: Change) -> Labelled:
        return replace(self, text=change(self.text))

    def to_json(self) -> dict[str, Any]:
        return {"text": self.text, "labels": list(self.labels)}


@dataclass(frozen=True)
class Preference:
    """A prompt with a better and a worse way to go on. `chosen` and `rejected` hold no turn of the prompt."""

    kind: ClassVar[Kind] = "preference"
    prompt: Turns
    chosen: Turns
    rejected: Turns

    def turns(self) -> Iterator[Message]:
        yield from self.prompt
        yield from self.chosen
        yield from self.rejected

    def changed(self, change: Change) -> Preference:
        return Preference(*(_changed(turns, change) for turns in (self.prompt, self.chosen, self.rejected)))

    def to_json(self) -> dict[str, Any]:
        return {
            "prompt": _json(self.prompt),
            "chosen": _json(self.chosen),
            "rejected": _json(self.rejected),
        }


@dataclass(frozen=True)
class Unpaired:
    """A prompt, one way to go on, and whether that was good."""

    kind: ClassVar[Kind] = "unpaired"
    prompt: Turns
    completion: Turns
    good: bool

    def turns(self) -> Iterator[Message]:
        yield from self.prompt
        yield from self.completion

    def changed(self, change: Change) -> Unpaired:
        return replace(
            self, prompt=_changed(self.prompt, change), completion=_changed(self.completion, change)
        )

    def to_json(self) -> dict[str, Any]:
        return {"prompt": _json(self.prompt), "completion": _json(self.completion), "label": self.good}


@dataclass(frozen=True)
class Prompt:
    """A prompt that waits for an answer, and what a reward function may compare the answer with."""

    kind: ClassVar[Kind] = "prompt"
    prompt: Turns
    reference: str | None = None

    def turns(self) -> Iterator[Message]:
        yield from self.prompt

    def changed(self, change: Change) -> Prompt:
        reference = None if self.reference is None else change(self.reference)
        return Prompt(_changed(self.prompt, change), reference)

    def to_json(self) -> dict[str, Any]:
        reference = {} if self.reference is None else {"reference": self.reference}
        return {"prompt": _json(self.prompt), **reference}


Example = Conversation | PlainText | Labelled | Preference | Unpaired | Prompt


def example_from_json(kind: str, value: Mapping[str, Any]) -> Example:
    """What `to_json` wrote. Raises KeyError or TypeError for anything else."""
    if kind == "conversation":
        return Conversation(_turns(value["messages"]), tuple(value.get("tools", ())))
    if kind == "text":
        return PlainText(value["text"])
    if kind == "classification":
        return Labelled(value["text"], tuple(value["labels"]))
    if kind == "preference":
        return Preference(_turns(value["prompt"]), _turns(value["chosen"]), _turns(value["rejected"]))
    if kind == "unpaired":
        return Unpaired(_turns(value["prompt"]), _turns(value["completion"]), value["label"])
    if kind == "prompt":
        return Prompt(_turns(value["prompt"]), value.get("reference"))
    raise KeyError(kind)


def example_id(example: Example) -> str:
    """16 hex digits of the hash of what an example says; equal examples have equal ids."""
    if (
        isinstance(example, Conversation)
        and not example.tools
        and all(turn.plain for turn in example.messages)
    ):
        return sha256_json([[turn.role, turn.content] for turn in example.messages])[:16]
    return sha256_json({"kind": example.kind, **example.to_json()})[:16]


def prompt_of(example: Example) -> Turns:
    """What comes before the answer: the turns by which two examples ask the same."""
    if isinstance(example, Conversation):
        return example.messages[:-1]
    if isinstance(example, PlainText | Labelled):
        return tuple(example.turns())
    return example.prompt


def _changed(turns: Sequence[Message], change: Change) -> Turns:
    return tuple(turn.changed(change) for turn in turns)


def _json(turns: Sequence[Message]) -> list[dict[str, Any]]:
    return [turn.to_dict() for turn in turns]


def _turns(value: Sequence[Mapping[str, Any]]) -> Turns:
    return tuple(Message.from_dict(turn) for turn in value)
