"""Who is asked: one protocol, a model of this machine or an endpoint behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from core.data.generate.request import Endpoint, LocalModel
from core.workspace.home import Workspace
from serve.chat import Message

# Some variety without wandering off; room for a question, an answer and what is put around them.
TEMPERATURE, ANSWER_TOKENS = 0.3, 256


class Ask(Protocol):
    """Answers one prompt. Several threads may call it at once."""

    @property
    def name(self) -> str:
        """The model, as rows name it."""
        ...

    @property
    def parallel(self) -> int:
        """How many prompts are worth asking side by side."""
        ...

    def __call__(self, messages: Sequence[Message], *, seed: int) -> str:
        """The model's reply. Raises PromptTooLong, or a TuneryError when going on is of no use."""
        ...


@contextmanager
def open_ask(answerer: Endpoint | LocalModel, workspace: Workspace, folder: Path) -> Iterator[Ask]:
    """Start what answers, for the time of the block; leaving it ends every prompt under way.

    Paths of a local model start at `folder`. Only an `Endpoint` makes anything leave this
    machine. Raises BadInput for an address that would send text unencrypted, or a model
    that cannot answer.
    """
    if isinstance(answerer, Endpoint):
        from core.data.generate.endpoint import open_endpoint

        with open_endpoint(answerer) as ask:
            yield ask
    else:
        from core.data.generate.local import open_local

        with open_local(answerer, workspace, folder) as local:
            yield local
