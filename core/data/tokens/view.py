"""A row as the tokens that training reads, one by one, for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from core.models.dataset import TokenRow
from serve.chat import ChatFormat

TokenKind = Literal["trained", "context", "control"]


def token_view(row: TokenRow, chat: ChatFormat) -> list[tuple[str, TokenKind]]:
    """The text and kind of each token; `row.trained` says which control tokens carry loss.

    A letter that is made of several tokens stands at the last of them. The texts one
    after the other are the row with its control tokens spelled out.
    """
    ids = [int(number) for number in row.ids]
    kinds: list[TokenKind] = [
        "control" if number in chat.control_ids else "trained" if trained else "context"
        for number, trained in zip(ids, row.trained, strict=True)
    ]
    return list(zip(_texts(ids, chat), kinds, strict=True))


def _texts(ids: list[int], chat: ChatFormat) -> Iterator[str]:
    for count, text in chat.pieces(ids):
        yield from [""] * (count - 1)
        yield text
