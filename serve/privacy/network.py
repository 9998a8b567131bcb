"""Internet addresses of machines that may be somebody's."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from serve.privacy.found import Found

_FOUR = re.compile(
    r"[0-9](?<![\w.][0-9])(?<![A-Za-z]-[0-9])[0-9]{0,2}(?:\.[0-9]{1,3}){3}(?!\w|\.[0-9]|-[0-9]{1,3}(?![0-9.]))"
)
# What is left of a text that may hold one when all but digits, dots and line ends is gone: quicker to look
# through, and the numbers of a list stay apart.
_NO_DOTTED = bytes(set(range(256)) - set(b"0123456789.\n"))
_DOTTED = re.compile(rb"[0-9](?:\.[0-9]{1,3}){3}")
_COLONS = re.compile(r":[0-9A-Fa-f]{0,4}:")
# Shaped loosely: `ipaddress` decides.
_SIX = re.compile(
    r"(?<![\w:.])[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{1,38}(?:[0-9A-Fa-f](?:\.[0-9]{1,3}){3}|[0-9A-Fa-f]|(?=/))(?![\w.:][0-9])(?!\w)"
)
# What stands before four numbers that are no address.
_NUMBERED = re.compile(
    r"(?i)(?:\b(?:v|ver|versions?|releases?|build|firmware|driver|sections?|chapter|clause|article|fig|figure|table"
    r"|paragraph|step|appendix|kapitel|abschnitt|ziffer|oid)[.]?(?:[ ](?:number|no|nr|is|to|of)[.]?){0,2}"
    r"|§|[=~<>!]=|\^|~|[a-z]/)[ :=#(\"']{0,3}v?$"
)
_HEADING = re.compile(r"\.?[ ]+[A-Z][a-z]")
_REACH = 32


def ip(text: str) -> Iterator[Found]:
    """IPv4 and IPv6 addresses; no versions, section numbers or netmasks, nor those of the machine itself."""
    if _DOTTED.search(text.encode("ascii", "replace").translate(None, _NO_DOTTED)):
        for match in _FOUR.finditer(text):
            if not _counts(text, match) and (detail := _address(match[0])) is not None:
                yield Found(match.start(), match.end(), "ip", detail)
    if _COLONS.search(text):
        for match in _SIX.finditer(text):
            if _has_shape(match[0]) and (detail := _address(match[0])) is not None:
                yield Found(match.start(), match.end(), "ip", detail)


def _address(spelled: str) -> str | None:
    try:
        address = ipaddress.ip_address(spelled)
    except ValueError:
        return None
    if address.is_loopback or address.is_unspecified or spelled.startswith("255."):
        return None
    return f"IPv{address.version}"


def _counts(text: str, match: re.Match[str]) -> bool:
    """Whether four numbers say a version or the place of a section."""
    start = match.start()
    if _NUMBERED.search(text[max(0, start - _REACH) : start]):
        return True
    begins_line = start == 0 or text[start - 1] == "\n"
    return begins_line and _HEADING.match(text, match.end()) is not None


def _has_shape(spelled: str) -> bool:
    """Whether colons and digits are written as addresses are; "std::a1" and "00:1b:44:11:3a:b7:00:01" not."""
    groups = spelled.split(":")
    if "::" not in spelled:
        return any(len(group) > 2 for group in groups)
    if not any(map(str.isdigit, spelled)):
        return False
    return len(groups[0]) == 4 or spelled.lower().startswith(("::ffff:", "64:ff9b::"))
