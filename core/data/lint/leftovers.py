"""What other software left in a text: control tokens of models, HTML entities, escapes."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Control tokens of the chat templates in use: ChatML, Llama 2 to 4, Mistral, Gemma, Phi, Zephyr, DeepSeek,
# Command R, GPT-OSS, T5.
KNOWN_CONTROLS: tuple[str, ...] = (
    "<|im_start|>",
    "<|im_end|>",
    "<|im_sep|>",
    "<|endoftext|>",
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|eot|>",
    "<|python_tag|>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|end|>",
    "<|start|>",
    "<|message|>",
    "<|channel|>",
    "<|return|>",
    "<|call|>",
    "<|pad|>",
    "<｜begin▁of▁sentence｜>",
    "<｜end▁of▁sentence｜>",
    "<｜User｜>",
    "<｜Assistant｜>",
    "<|START_OF_TURN_TOKEN|>",
    "<|END_OF_TURN_TOKEN|>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<bos>",
    "<eos>",
    "<pad>",
    "<unk>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "[TOOL_CALLS]",
    "[AVAILABLE_TOOLS]",
    "<<SYS>>",
    "<</SYS>>",
    "<tool_call>",
    "</tool_call>",
)

_ENTITY = re.compile(
    r"&(?:amp|lt|gt|quot|apos|nbsp|rsquo|lsquo|rdquo|ldquo|mdash|ndash|#\d{2,6}|#x[\da-fA-F]{2,5});"
)
# A text about HTML holds tags as well.
_TAG = re.compile(
    r"</[a-zA-Z]|<(?:!|(?:a|b|i|p|br|hr|li|ul|td|tr|div|img|html|head|body|span|input|table|script|code|pre"
    r"|form|button|link|meta|h[1-6])\b)"
)
_ESCAPE = re.compile(r"\\n\\n|\\r\\n|\\u[0-9a-fA-F]{4}|(?<=[.!?,;])\\n|\\n(?=[A-Z*\-\d(])")
# In program text an escape is what it should be.
_CODE = re.compile(
    r"```|\bprintf?\b|\bdef |\breturn\b|\bimport |[;{}]\s*(?:\n|$)|[\"']\s*[+)]|=\s*[\"']"
    r"|\.(?:join|split|replace)\("
)


def control_pattern(controls: Sequence[str]) -> re.Pattern[str]:
    """A pattern that finds any of the tokens; one that finds nothing where there are none."""
    longest_first = sorted(set(controls), key=lambda token: (-len(token), token))
    return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")


def entity_at(text: str) -> int | None:
    """Where an HTML entity stands in a text that is not about HTML, or None."""
    if "&" not in text:
        return None
    found = _ENTITY.search(text)
    return None if found is None or _TAG.search(text) else found.start()


def escape_at(text: str) -> int | None:
    """Where a line end or a character is spelled out (a backslash and an n) in a text that is no program."""
    if "\\" not in text:
        return None
    found = _ESCAPE.search(text)
    return None if found is None or _CODE.search(text) else found.start()
