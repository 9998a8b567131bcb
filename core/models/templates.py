"""Chat templates that a recipe may name instead of the model's own, and whether one fits a model.

A template is made for the control tokens of one family. Where a tokenizer does not have
them, it would write them as letters: training would run, and the answers would never end
where any server stops. Such a template is refused.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from serve.chat import ChatFormat, Message
from serve.template import compile_template, find_template
from tunery.errors import BadInput, NotThere
from tunery.files import read_json, write_json_whole, write_text_whole

TEMPLATE_FILE = "chat_template.jinja"
_GENERATION = "generation_config.json"
_TOKENIZER = "tokenizer_config.json"


@dataclass(frozen=True)
class ChatTemplate:
    """A template, what the recipe calls it, and the control tokens that it writes."""

    name: str
    text: str
    controls: tuple[str, ...]


def _named(name: str, text: str, *controls: str) -> ChatTemplate:
    # The blocks below are indented for people; what they write stands in their strings.
    return ChatTemplate(name, "".join(line.strip() for line in text.splitlines()), controls)


_SYSTEM_FIRST = """
{%- set ns = namespace(before='') -%}
{%- for message in messages -%}
    {%- if message.role == 'system' and loop.first -%}{%- set ns.before = message.content + '\\n\\n' -%}
"""
_NO_OTHER_ROLE = """
{%- else -%}{{- raise_exception('this template has no turn of role ' + message.role + ' here') -}}
{%- endif -%}
"""

NAMED = {
    template.name: template
    for template in (
        _named(
            "chatml",
            """
            {%- for message in messages -%}
                {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' -}}
            {%- endfor -%}
            {%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
            """,
            "<|im_start|>",
            "<|im_end|>",
        ),
        _named(
            "llama3",
            """
            {{- '<|begin_of_text|>' -}}
            {%- for message in messages -%}
                {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' -}}
                {{- (message.content | trim) + '<|eot_id|>' -}}
            {%- endfor -%}
            {%- if add_generation_prompt -%}
                {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}
            {%- endif -%}
            """,
            "<|begin_of_text|>",
            "<|start_header_id|>",
            "<|end_header_id|>",
            "<|eot_id|>",
        ),
        _named(
            "mistral",
            "{{- '<s>' -}}"
            + _SYSTEM_FIRST
            + """
            {%- elif message.role == 'user' -%}
                {{- '[INST] ' + ns.before + message.content + '[/INST]' -}}{%- set ns.before = '' -%}
            {%- elif message.role == 'assistant' -%}
                {{- ' ' + message.content + '</s>' -}}
            """
            + _NO_OTHER_ROLE
            + "{%- endfor -%}",
            "<s>",
            "</s>",
            "[INST]",
            "[/INST]",
        ),
        _named(
            "gemma",
            "{{- '<bos>' -}}"
            + _SYSTEM_FIRST
            + """
            {%- elif message.role == 'user' -%}
                {{- '<start_of_turn>user\\n' + ns.before + (message.content | trim) + '<end_of_turn>\\n' -}}
                {%- set ns.before = '' -%}
            {%- elif message.role == 'assistant' -%}
                {{- '<start_of_turn>model\\n' + (message.content | trim) + '<end_of_turn>\\n' -}}
            """
            + _NO_OTHER_ROLE
            + """
            {%- endfor -%}
            {%- if add_generation_prompt -%}{{- '<start_of_turn>model\\n' -}}{%- endif -%}
            """,
            "<bos>",
            "<start_of_turn>",
            "<end_of_turn>",
        ),
        _named(
            "phi3",
            """
            {%- for message in messages -%}
                {{- '<|' + message.role + '|>\\n' + message.content + '<|end|>\\n' -}}
            {%- endfor -%}
            {%- if add_generation_prompt -%}{{- '<|assistant|>\\n' -}}{%- endif -%}
            """,
            "<|system|>",
            "<|user|>",
            "<|assistant|>",
            "<|end|>",
        ),
        # Its marks of who speaks are letters, on its own models too; only the end is a token.
        _named(
            "zephyr",
            """
            {%- for message in messages -%}
                {{- '<|' + message.role + '|>\\n' + message.content + '</s>\\n' -}}
            {%- endfor -%}
            {%- if add_generation_prompt -%}{{- '<|assistant|>\\n' -}}{%- endif -%}
            """,
            "</s>",
        ),
    )
}

# How families spell the tokens that a template writes; tags such as <tool_call> are letters on many models.
_SPELLED = re.compile(
    r"<\|[^|<>{}\s'\"]+\|>|<\uff5c[^\uff5c\s]+\uff5c>|<(?:start|end)_of_turn>|</?s>|<[be]os>|\[/?[A-Z][A-Z_]+\]"
)
_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)


def read_template(wanted: str, recipe_folder: Path) -> ChatTemplate:
    """What `model.template` says: one of ours by its name, or a .jinja file that starts at `recipe_folder`.

    Raises NotThere for neither, BadInput for a file that is no template.
    """
    if wanted in NAMED:
        return NAMED[wanted]
    path = recipe_folder / Path(wanted).expanduser()
    if not wanted.endswith(".jinja") or not path.is_file():
        nearest = get_close_matches(wanted, NAMED, n=1, cutoff=0.5)
        meant = f"; did you mean {nearest[0]}" if nearest else ""
        raise NotThere(
            f"model.template {wanted!r} is neither one of {', '.join(NAMED)} nor a .jinja file below "
            f"{recipe_folder.resolve()}{meant}"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadInput(f"model.template {wanted} is not UTF-8 text; save it again as UTF-8") from None
    try:
        compile_template(text)
    except BadInput as error:
        raise BadInput(f"model.template {wanted}: {error}; correct the file") from None
    return ChatTemplate(wanted, text, _controls_in(text))


def fit_template(template: ChatTemplate, folder: Path) -> ChatFormat:
    """The chat format of the model in `folder` with `template` in place of its own.

    Raises BadInput when a control token of the template is none of the tokenizer's
    special tokens, and when answers cannot be told from what surrounds them or end
    without a stop token.
    """
    special = _special_tokens(folder)
    own = _own_template(folder)
    # What the model's own template writes as letters, as Zephyr's does, may be letters here too.
    missing = [token for token in template.controls if token not in special]
    if own is not None and template.name not in NAMED:
        missing = [token for token in missing if token not in own]
    if missing:
        these = "is no special token" if len(missing) == 1 else "are no special tokens"
        raise BadInput(
            f"model.template {template.name} is made for other models: {', '.join(missing)} {these} of this "
            f"model's tokenizer; {_better(special, own)}"
        )
    try:
        chat = ChatFormat.open(folder, template=template.text)
        _probe(chat)
    except BadInput as error:
        raise BadInput(
            f"model.template {template.name} does not fit this model ({error}); {_better(special, own)}"
        ) from None
    return chat


def write_template(template: ChatTemplate, folder: Path) -> None:
    """Make `template` the only one of the model in `folder`, whose files may be links: they are replaced.

    The token that ends an answer is added to generation_config.json, so that every runtime stops there.
    """
    chat = fit_template(template, folder)
    write_text_whole(folder / TEMPLATE_FILE, template.text)
    settings = _json(folder / _TOKENIZER)
    if "chat_template" in settings:
        del settings["chat_template"]
        write_json_whole(folder / _TOKENIZER, settings)
    missing = set(_probe(chat)) - set(chat.generation_stop_ids)
    if missing:
        stops = sorted({*chat.generation_stop_ids, *missing})
        write_json_whole(folder / _GENERATION, {**_json(folder / _GENERATION), "eos_token_id": stops})


def _probe(chat: ChatFormat) -> list[int]:
    """The ids that end the answers of a small conversation."""
    turns = [
        ("user", "Hello there."),
        ("assistant", "Hello!"),
        ("user", "And now?"),
        ("assistant", "Goodbye."),
    ]
    rendered = chat.render([Message(*turn) for turn in turns], add_generation_prompt=False)
    return [rendered.ids[end - 1] for _, end in rendered.assistant]


def _controls_in(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_SPELLED.findall(_COMMENT.sub("", text))))


def _special_tokens(folder: Path) -> frozenset[str]:
    if not (folder / "tokenizer.json").is_file():
        raise BadInput(f"{folder} has no tokenizer.json; save the model's fast tokenizer into it")
    added = read_json(folder / "tokenizer.json")["added_tokens"]
    return frozenset(token["content"] for token in added if token["special"])


def _own_template(folder: Path) -> str | None:
    try:
        return find_template(folder, _json(folder / _TOKENIZER))
    except BadInput:
        return None


def _better(special: frozenset[str], own: str | None) -> str:
    """The nearest template that fits, in words."""
    fitting = [template for template in NAMED.values() if special.issuperset(template.controls)]
    nearest = max(fitting, key=lambda template: len(template.controls), default=None)
    ways = [f"set it to {nearest.name}"] if nearest else []
    ways += ["leave it out to use the model's own template"] if own is not None else []
    return " or ".join(ways) or "use a template that was made for this model"


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
