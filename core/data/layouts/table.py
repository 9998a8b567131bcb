"""All layouts, by the names that a recipe's `format` gives them; the more a layout says, the earlier."""

from __future__ import annotations

from collections.abc import Mapping

from core.data.layouts.alone import from_classification, from_prompt, from_text, is_label
from core.data.layouts.dialogues import (
    from_alpaca,
    from_messages,
    from_prompt_and_completion,
    from_sharegpt,
)
from core.data.layouts.judged import (
    from_preference,
    from_transcripts,
    from_unpaired,
    is_transcript,
    truth_of,
)
from core.data.layouts.layout import Layout

LAYOUTS: Mapping[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout(
            "preference",
            "preference",
            ("chosen", "rejected"),
            ("prompt", "conversations", "system"),
            from_preference,
            names={"messages": "conversations"},
            fits=lambda row: not is_transcript(row),
        ),
        Layout(
            "transcripts",
            "preference",
            ("chosen", "rejected"),
            ("prompt", "system"),
            from_transcripts,
            fits=is_transcript,
        ),
        Layout(
            "unpaired",
            "unpaired",
            ("prompt", "completion", "label"),
            ("system",),
            from_unpaired,
            fits=lambda row: truth_of(row["label"]) is not None,
        ),
        Layout(
            "messages", "conversation", ("messages",), ("system", "tools"), from_messages, turns_in="messages"
        ),
        Layout(
            "sharegpt",
            "conversation",
            ("conversations",),
            ("system", "tools"),
            from_sharegpt,
            names={"messages": "conversations"},
            turns_in="conversations",
        ),
        Layout(
            "prompt_completion",
            "conversation",
            ("prompt", "completion"),
            ("system", "history", "tools"),
            from_prompt_and_completion,
        ),
        Layout(
            "alpaca",
            "conversation",
            ("instruction", "output"),
            ("input", "system", "history"),
            from_alpaca,
            names={"prompt": "instruction", "completion": "output"},
        ),
        Layout("classification", "classification", ("text", "label"), (), from_classification, fits=is_label),
        Layout("prompts", "prompt", ("prompt",), ("reference", "answer", "system"), from_prompt),
        Layout("text", "text", ("text",), (), from_text),
    )
}
