"""The recipe's `serve` section; it travels in a bundle."""

from __future__ import annotations

from typing import Literal

from tunery.section import Section, setting


class ServeSection(Section):
    """How the model answers over HTTP."""

    engine: Literal["auto", "llama_cpp"] = setting(
        "auto", about="What generates tokens; auto takes the engine of the exported format."
    )
    export: str = setting(
        "auto",
        about="Which export is served, by its quantization such as q8_0; auto takes the "
        "smallest that passed parity within its limits.",
    )
    host: str = setting("127.0.0.1", about="Address to listen on; loopback unless you say otherwise.")
    port: int = setting(8080, ge=0, le=65535, about="TCP port; 0 takes a free one.")
    context_length: int | None = setting(
        None,
        ge=64,
        about="Tokens a conversation may hold; the model's own length by default.",
        shown="advanced",
    )
    slots: int = setting(4, ge=1, le=64, about="Requests that are generated side by side.", shown="advanced")
    threads: int | None = setting(
        None, ge=1, about="Threads of the engine; all cores when it serves alone.", shown="advanced"
    )
    max_queue: int = setting(
        64, ge=0, about="Requests that may wait; beyond it the server answers 429.", shown="advanced"
    )
    max_tokens: int = setting(512, ge=1, about="Longest answer in tokens.", shown="advanced")
