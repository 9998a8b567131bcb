"""E-mail addresses, plain or written out for people ("anna [at] firm [dot] de")."""

from __future__ import annotations

import re
from collections.abc import Iterator

from serve.privacy.found import Found

# The look behind keeps long runs without an @ from being tried at each of their characters.
_ADDRESS = re.compile(
    r"(?<![\w.%+-])(?P<user>\w[\w.%+'-]{0,63})@"
    r"(?:[\w-]{1,63}\.){1,8}(?P<top>[^\W\d_]{2,24}|xn--[\w-]{2,59})(?![\w-])"
)
_WRITTEN_OUT = re.compile(
    r"(?i)(?<![\w.%+@-])\w[\w.%+'-]{0,63}[ ]?[\[({][ ]?at[ ]?[\])}][ ]?"
    r"[\w-]{1,63}(?:(?:\.|[ ]?[\[({][ ]?dot[ ]?[\])}][ ]?)[\w-]{1,63}){1,4}(?![\w-])"
)
# Faster than the pattern, which nearly no text needs.
_WRITTEN_AT = ("at)", "at]", "AT)", "AT]", "at }", "at )", "at ]")
# "logo@2x.png" is a picture, "package@1.0.tgz" a package.
_FILES = frozenset(
    {"png", "jpg", "jpeg", "gif", "svg", "webp", "ico", "css", "js", "json", "html", "tgz", "gz"}
)
# Logins of services that everybody shares.
_EVERYBODY = frozenset({"git", "hg", "svn"})
# "https://user:password@host.com" is no mailbox.
_LOGIN = re.compile(r"://[^\s/@]{0,80}\Z")


def email(text: str) -> Iterator[Found]:
    """Addresses of people and offices; not the shared login of a code host such as git@github.com."""
    if "@" in text:
        for match in _ADDRESS.finditer(text):
            login = match["user"] in _EVERYBODY or _LOGIN.search(
                text, max(0, match.start() - 90), match.start()
            )
            if match["top"].lower() not in _FILES and not login:
                yield Found(match.start(), match.end(), "email", "address")
    if (")" in text or "]" in text) and any(mark in text for mark in _WRITTEN_AT):
        for match in _WRITTEN_OUT.finditer(text):
            yield Found(match.start(), match.end(), "email", "address written out")
