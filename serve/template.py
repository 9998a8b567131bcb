"""Chat templates in a sandbox, with the settings and helpers transformers gives them.

A template comes with a model and is untrusted code: it runs in Jinja's immutable
sandbox, sees plain strings, numbers, lists and dicts only, and reaches neither
files nor attributes that begin with an underscore.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tunery.errors import BadInput


def compile_template(source: str) -> Template:
    """Compile a chat template; raises BadInput with the line when its syntax is wrong."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_GenerationTag, loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = _strftime_now
    try:
        return environment.from_string(source)
    except TemplateSyntaxError as error:
        raise BadInput(f"the chat template is wrong at line {error.lineno}: {error.message}") from None


def find_template(folder: Path, settings: Mapping[str, Any]) -> str:
    """The chat template of a model folder; `settings` is its tokenizer_config.json. BadInput without one."""
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


class _GenerationTag(Extension):
    """Lets `{% generation %}` blocks pass; transformers marks assistant text with them."""

    tags = {"generation"}  # noqa: RUF012 (Jinja declares it so)

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    # Jinja's own filter escapes HTML characters, which no model was trained on.
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)


def _strftime_now(format: str) -> str:
    return datetime.now().strftime(format)
