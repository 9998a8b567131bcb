"""Passwords and keys that are known by their place: after `password:`, or before the @ of an address."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from serve.privacy.found import HIDDEN, Found

# What stands between a name and its value, such as `": "`, ` = ` or " is ", and the value.
_BETWEEN = r"(?![a-z])[\"'`\\\])]{0,3}[ \t]{0,3}(?:=>|:=|==|=|:|>|\b(?:is|ist|es|est):?(?=\s))"
_VALUE = rf"[ \t]{{0,3}}\\?[\"'`]?(?P<value>[^\s\"'`,;<>{HIDDEN}]{{6,512}})"
_PASSWORDS = re.compile(
    r"(?:passw(?:or[dt]|d)|passphrase|passcode|mot de passe|kennwort|pwd|contraseña|senha|пароль|密码)"
    rf"(?:{_BETWEEN}|(?<=--password)[ ]){_VALUE}"
)
# One of these is in every text that the pattern can match; most texts hold none of them.
_PASSWORD_MARKS = (
    "passw",
    "passc",
    "passp",
    "de passe",
    "pwd",
    "kennw",
    "contrase",
    "senha",
    "парол",
    "密码",
)
# A key may also follow its name after no more than a blank: it looks like no word.
_KEYS = re.compile(
    r"(?:(?:api|app|access|secret|private|auth|account|client|encryption|signing|master|shared|license|webhook|bot)"
    rf"[ _-]?(?:access[ _-]?)?(?:key|token|secret)|secret|token)(?:{_BETWEEN}|[ ]){_VALUE}"
    r"|\b(?:bearer|basic)[ ](?P<bearer>[a-z0-9._~+/=-]{20,2048})"
)
_KEY_MARKS = ("key", "token", "secret", "bearer ", "basic ")
_IN_ADDRESS = re.compile(
    rf"://[^\s/:@\"'<>{HIDDEN}]{{0,80}}:(?P<value>[^\s/@\"'<>{HIDDEN}]{{1,200}})@(?=[\w\[])"
)
_BLANKED = re.compile(r"(.)\1*|x+|[*.•…_-]+|[0-9]{1,5}")
# A value that is elsewhere: "${PASSWORD}", "os.environ[...]", "getpass()", "config.password", a path or link.
_REFERENCE = re.compile(
    r"[$%{\[(&@].*|.*[(\[{].*|(?:[a-z_][a-z_0-9]*\.)+[a-z_][a-z_0-9]*|/.*|[a-z]+://.*", re.DOTALL
)
_SAYS_SO = re.compile(
    r"your|example|changeme|change_me|placeholder|password|passwort|redacted|dummy|insert|xxx"
)
_SIGN_INSIDE = re.compile(r"\w[!#$%^&*+=?@]|[!#$%^&*+=?@]\w")
_PART = re.compile(r"[A-Za-z]*[0-9]{0,2}|[0-9]{1,4}")
_NAME = re.compile(r"[A-Za-z]+[0-9]{0,2}")
_JOINT = re.compile(r"[-_./]")
_TRAILING = ".,;:)]}\\"


def passwords(text: str) -> Iterator[Found]:
    """What stands after `password:` or "my password is", if a careful person may have made it up."""
    for start, end in _values(text, _PASSWORDS, _PASSWORD_MARKS):
        if _chosen(text[start:end]):
            yield Found(start, end, "secret", "password")


def keys(text: str) -> Iterator[Found]:
    """What stands after `api_key =` or "Bearer", if a machine may have made it up."""
    for start, end in _values(text, _KEYS, _KEY_MARKS):
        if _dense(text[start:end]):
            yield Found(start, end, "secret", "key")


def in_address(text: str) -> Iterator[Found]:
    """The password of "postgres://user:password@host"."""
    for match in _IN_ADDRESS.finditer(text):
        value = match["value"]
        blanked = _BLANKED.fullmatch(value) or _REFERENCE.fullmatch(value)
        if not blanked and value.lower() not in {"password", "passwd", "pass", "pw"}:
            yield Found(*match.span("value"), "secret", "password in an address")


def _values(text: str, pattern: re.Pattern[str], marks: Sequence[str]) -> Iterator[tuple[int, int]]:
    """The spans of assigned values, without the marks that end a sentence."""
    lowered = text.lower()
    if len(lowered) != len(text):
        # A few letters have a longer small form, which would shift all that follows.
        lowered = text
    if any(mark in lowered for mark in marks):
        for match in pattern.finditer(lowered):
            start, end = match.span(match.lastgroup or 0)
            yield start, start + len(text[start:end].rstrip(_TRAILING))


def _chosen(value: str) -> bool:
    """Whether a value can be a password rather than a word of the sentence or a name in code."""
    lowered = value.lower()
    if (
        len(value) < 6
        or _BLANKED.fullmatch(lowered)
        or _REFERENCE.fullmatch(lowered)
        or _SAYS_SO.search(lowered)
    ):
        return False
    # "dragon_55" may be one, "user_password_2" and "at-least-8-characters" are none.
    mixed = any(map(str.isdigit, value)) and not (len(_JOINT.findall(value)) > 1 and _is_words(value))
    return mixed or _SIGN_INSIDE.search(value) is not None


def _dense(value: str) -> bool:
    """Whether a value is long and mixed enough for a key: 16 characters of 3 bits, digits among letters."""
    lowered = value.lower()
    if len(value) < 16 or _REFERENCE.fullmatch(lowered) or _SAYS_SO.search(lowered) or _is_words(value):
        return False
    mixed = any(map(str.isdigit, value)) and any(map(str.isalpha, value))
    return mixed and not _NAME.fullmatch(value) and _bits(value) >= 3.0


def _is_words(value: str) -> bool:
    """Whether a value is made of words and short numbers: "at-least-8-characters", "user_password_2"."""
    parts = _JOINT.split(value)
    return len(parts) > 1 and all(map(_PART.fullmatch, parts))


def _bits(value: str) -> float:
    """Shannon's entropy a character."""
    return -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values())
