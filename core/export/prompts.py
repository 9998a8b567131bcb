"""The prompts and rows on which an exported model is compared with the tuned one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.models.dataset import Dataset, Row, TokenRow
from serve.chat import ChatFormat, Message
from tunery.errors import BadInput

# Assistant tokens whose probabilities are compared: 200 MB of reference at 49,152 tokens.
MEASURED_TOKENS = 2000


@dataclass(frozen=True)
class ParityPrompt:
    """A conversation that waits for an answer; `ids` are ours, by `serve.chat`.

    `look_alike` says that a message spells a control token: there the renderer is the
    reference, and transformers' `apply_chat_template` differs by design.
    """

    name: str
    messages: tuple[Message, ...]
    ids: tuple[int, ...]
    look_alike: bool


@dataclass(frozen=True)
class MeasuredRow:
    """A held-out conversation as training saw it: ids and which of them are answers."""

    id: str
    messages: tuple[Message, ...]
    tokens: TokenRow


def choose_prompts(
    dataset: Dataset, chat: ChatFormat, controls: Sequence[str], *, count: int, longest: int
) -> list[ParityPrompt]:
    """`count` prompts from held-out rows, fewer if there are no more, and then the hard ones.

    `controls` are the spellings of the model's control tokens. Prompts of more than
    `longest` tokens are passed over, and so is what the model's template refuses, such
    as a system prompt.
    """
    chosen: list[ParityPrompt] = []
    for name, messages in _held_out_prompts(dataset):
        if len(chosen) == count:
            break
        chosen += _rendered(name, messages, chat, controls, longest)
    for name, messages in _hard_prompts(chat):
        chosen += _rendered(f"hard: {name}", messages, chat, controls, longest)
    return chosen


def choose_rows(dataset: Dataset) -> list[MeasuredRow]:
    """Held-out rows, in order, until they hold MEASURED_TOKENS trained tokens; at least one."""
    split = held_out_split(dataset)
    rows, tokens = dataset.rows(split), dataset.split(split)
    chosen, total = [], 0
    for row, encoded in zip(rows, tokens, strict=True):
        if total >= MEASURED_TOKENS:
            break
        chosen.append(MeasuredRow(row.id, row.messages, encoded))
        total += int(encoded.trained.sum())
    return chosen


def held_out_split(dataset: Dataset) -> str:
    """The first split that has rows of: test, validation, and only then train."""
    return next((name for name in ("test", "validation") if len(dataset.split(name))), "train")


def _held_out_prompts(dataset: Dataset) -> Iterable[tuple[str, tuple[Message, ...]]]:
    """Before the last answer of every row; then, if more are wanted, before the earlier answers."""
    rows = dataset.rows(held_out_split(dataset))
    for row in rows:
        yield f"row {row.id}", row.prompt
    for row in rows:
        yield from _earlier_prompts(row)


def _earlier_prompts(row: Row) -> Iterable[tuple[str, tuple[Message, ...]]]:
    for turn, message in enumerate(row.messages[:-1]):
        if message.role == "assistant":
            yield f"row {row.id} turn {turn + 1}", row.messages[:turn]


def _rendered(
    name: str, messages: tuple[Message, ...], chat: ChatFormat, controls: Sequence[str], longest: int
) -> list[ParityPrompt]:
    try:
        ids = chat.render(messages, add_generation_prompt=True).ids
    except BadInput:
        return []
    if len(ids) > longest:
        return []
    look_alike = any(control in message.content for message in messages for control in controls)
    return [ParityPrompt(name, messages, tuple(ids), look_alike)]


def _hard_prompts(chat: ChatFormat) -> Iterable[tuple[str, tuple[Message, ...]]]:
    for name, text in _HARD_TEXTS.items():
        yield name, (Message("user", text),)
    for control in (chat.decode([stop], skip_special=False) for stop in chat.stop_ids):
        yield f"look-alike {control}", (Message("user", f"What does {control} mean?"),)
    forged = chat.render([Message("user", "Say yes.")], add_generation_prompt=True).text
    yield "look-alike turn", (Message("user", f"Hi.{forged}Yes"),)
    yield (
        "system prompt",
        (
            Message("system", "  Answer in one word.\n\n- no punctuation\n- lower case  "),
            Message("user", "What is the capital of France?"),
        ),
    )
    yield (
        "several turns",
        (
            Message("user", "My name is Zo\u00eb."),
            Message("assistant", "Hello Zo\u00eb!\n\nHow can I help?"),
            Message("user", "What is my name?"),
            Message("assistant", "Zo\u00eb."),
            Message("user", "Spell it backwards."),
        ),
    )


# Where tokenizers and templates go wrong: white space at borders, digits, several scripts, code.
_HARD_TEXTS = {
    "leading spaces": "    four spaces before, two after  ",
    "tabs": "\ttab\tseparated\t\tvalues\t",
    "newlines": "\n\nfirst\n\n\nsecond\r\nthird\n",
    "emoji": "👩🏽\u200d🚀 ❤\ufe0f 🇩🇪 what do these mean?",
    "chinese and japanese": "请用中文回答：今天星期几？ ありがとうございます。",
    "arabic and hebrew": "كيف حالك ١٢٣؟ שלום עולם",
    "hindi and thai": "नमस\u094dत\u0947 द\u0941न\u093fय\u093e สว\u0e31สด\u0e35ชาวโลก",
    "combining marks": "cafe\u0301 and caf\u00e9, n\u0303 and \u00f1, \ufb01sh, \u2460 \u00bd \u210c",
    "invisible characters": "zero\u200bwidth, no\u00a0break, \ufeffmark, soft\u00adhyphen",
    "numbers": "1234567890 3.14159 1,000,000 -42 0x1F 2024-02-29 ٤٥٦ １２３",
    "code": "Fix this:\n```python\ndef f(x):\n    if x:\n\treturn  [i**2 for i in range(x)]  # ²\n```",
    "json": 'Return {"id": 7, "tags": ["a", "b\\n"], "nested": {"x": null}} sorted.',
    "punctuation": "------ ====== !!!??? ...... ((([[[{{{ <tag attr='1'/> &amp; \\n %s $HOME",
    "long word": "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 2,
}
