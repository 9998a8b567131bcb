"""Secrets: keys and tokens by the shapes that their providers publish, and what is assigned to a password."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from serve.privacy.assigned import in_address, keys, passwords
from serve.privacy.found import Found


@dataclass(frozen=True, slots=True)
class _Shape:
    """Tokens of one provider. `mark` is in every one of them, and rarely in other texts."""

    detail: str
    mark: str
    pattern: re.Pattern[str]


def _shape(detail: str, mark: str, pattern: str) -> _Shape:
    return _Shape(detail, mark, re.compile(rf"(?<![A-Za-z0-9_])(?:{pattern})(?![A-Za-z0-9_])"))


_SHAPES = (
    _shape("anthropic key", "sk-ant-", r"sk-ant-[\w-]{20,200}"),
    _shape("openrouter key", "sk-or-", r"sk-or-v1-[0-9a-f]{64}"),
    _shape("openai key", "sk-", r"sk-(?:proj|svcacct|admin)-[\w-]{20,250}|sk-[A-Za-z0-9]{32,64}"),
    _shape("aws key id", "A", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}"),
    _shape("google key", "AIza", r"AIza[\w-]{35}"),
    _shape("google token", "ya29.", r"ya29\.[\w-]{20,400}"),
    _shape("google client secret", "GOCSPX-", r"GOCSPX-[\w-]{20,40}"),
    _shape("github token", "gh", r"gh[pousr]_[A-Za-z0-9]{36,251}"),
    _shape("github token", "github_pat_", r"github_pat_\w{22,255}"),
    _shape("gitlab token", "gl", r"gl(?:pat|dt|rt|cbt|ptt|ft|imt|soat|agent)-[\w-]{20,100}"),
    _shape("slack token", "xox", r"xox[abeoprs]-[A-Za-z0-9-]{10,250}"),
    _shape("slack token", "xapp-", r"xapp-[0-9]-[A-Za-z0-9-]{20,250}"),
    _shape("slack webhook", "hooks.slack.com/", r"hooks\.slack\.com/(?:services|workflows)/[\w/+-]{20,120}"),
    _shape("stripe key", "k_", r"[sr]k_(?:live|test|prod)_[A-Za-z0-9]{10,250}"),
    _shape("stripe webhook secret", "whsec_", r"whsec_[A-Za-z0-9+/=]{24,100}"),
    _shape("hugging face token", "hf_", r"hf_[A-Za-z0-9]{30,60}"),
    _shape("npm token", "npm_", r"npm_[A-Za-z0-9]{36}"),
    _shape("pypi token", "pypi-", r"pypi-[\w-]{40,400}"),
    _shape("sendgrid key", "SG.", r"SG\.[\w-]{16,32}\.[\w-]{16,64}"),
    _shape("twilio key", "SK", r"SK[0-9a-f]{32}"),
    _shape("twilio account", "AC", r"AC[0-9a-f]{32}"),
    _shape("mailgun key", "key-", r"key-[0-9a-f]{32}"),
    _shape("mailchimp key", "-us", r"[0-9a-f]{32}-us[0-9]{1,2}"),
    _shape("telegram token", ":AA", r"[0-9]{8,10}:AA[\w-]{32,35}"),
    _shape("discord token", ".", r"[MNO][A-Za-z0-9_-]{23,27}\.[\w-]{6}\.[\w-]{27,40}"),
    _shape("digitalocean token", "_v1_", r"do[opr]_v1_[0-9a-f]{64}"),
    _shape("shopify token", "shp", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    _shape("databricks token", "dapi", r"dapi[0-9a-f]{32}(?:-[0-9])?"),
    _shape("notion token", "ntn_", r"ntn_[A-Za-z0-9]{40,60}"),
    _shape("linear key", "lin_api_", r"lin_api_[A-Za-z0-9]{32,64}"),
    _shape("groq key", "gsk_", r"gsk_[A-Za-z0-9]{40,64}"),
    _shape("xai key", "xai-", r"xai-[A-Za-z0-9]{40,100}"),
    _shape("replicate token", "r8_", r"r8_[A-Za-z0-9]{32,48}"),
    _shape("perplexity key", "pplx-", r"pplx-[A-Za-z0-9]{32,64}"),
    _shape("atlassian token", "ATATT3", r"ATATT3[\w=-]{50,300}"),
    _shape("grafana token", "glsa_", r"glsa_[A-Za-z0-9]{32}_[0-9a-f]{8}"),
    _shape("vault token", "hv", r"hv[bsr]\.[\w-]{20,300}"),
    _shape("age key", "AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[A-Z0-9]{58}"),
)
# Nearly every token has so many characters in a row without another mark, and not all are small letters.
_RUN = 16
_IN_TOKENS = bytes(
    ord("w") if re.match(rb"[A-Za-z0-9_-]", bytes([byte])) else ord(" ") for byte in range(256)
)
_RUNS = re.compile(rf"[A-Za-z0-9_-]{{{_RUN},}}")
_NOT_IN_WORDS = re.compile(r".*[A-Z0-9_]")
# Fewer different characters are a picture of a token: "ghp_xxxxxxxx".
_DIFFERENT = 8

_JWT = re.compile(r"(?<![\w.-])(eyJ[\w-]{8,4096})\.[\w-]{2,16384}\.[\w-]{0,2048}(?![\w-])")
_PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,2}PRIVATE KEY(?: BLOCK)?-----")
_KEY_END = re.compile(r"-----END (?:[A-Z0-9]{1,12} ){0,2}PRIVATE KEY(?: BLOCK)?-----")
_KEY_BODY = re.compile(r"(?:[A-Za-z0-9+/=\s\\:,.()]++|-(?!-))*+")
_KEY_LINE = re.compile(r"[A-Za-z0-9+/=]{20,}")


def secret(text: str) -> Iterator[Found]:
    """Tokens, private keys, and passwords in addresses and assignments."""
    taken = 0
    for found in sorted(_all(text), key=lambda each: (each.start, -each.end)):
        # An assigned token is one secret, found twice.
        if found.start >= taken:
            yield found
            taken = found.end


def _all(text: str) -> Iterator[Found]:
    if _may_hold_tokens(text):
        for shape in _SHAPES:
            if shape.mark in text:
                for match in shape.pattern.finditer(text):
                    if len(set(match[0])) >= _DIFFERENT:
                        yield Found(match.start(), match.end(), "secret", shape.detail)
        if "eyJ" in text:
            yield from _web_tokens(text)
        yield from keys(text)
    if "-----BEGIN" in text:
        yield from _private_keys(text)
    if "://" in text:
        yield from in_address(text)
    yield from passwords(text)


def _may_hold_tokens(text: str) -> bool:
    """Whether a run of letters and digits is too long and too mixed for prose; false for nearly all texts."""
    if b"w" * _RUN not in text.encode("ascii", "replace").translate(_IN_TOKENS):
        return False
    return any(_NOT_IN_WORDS.match(run, 1) for run in _RUNS.findall(text))


def _web_tokens(text: str) -> Iterator[Found]:
    for match in _JWT.finditer(text):
        header = match[1] + "=" * (-len(match[1]) % 4)
        try:
            value = json.loads(base64.urlsafe_b64decode(header))
        except (binascii.Error, ValueError, RecursionError):
            continue
        if isinstance(value, dict) and "alg" in value:
            yield Found(match.start(), match.end(), "secret", "json web token")


def _private_keys(text: str) -> Iterator[Found]:
    """Keys from their first line to their last; one that was cut off, as far as it looks like one."""
    for match in _PRIVATE_KEY.finditer(text):
        body = _KEY_BODY.match(text, match.end())
        lines = list(_KEY_LINE.finditer(text, *body.span())) if body else []
        if body and lines:
            last = _KEY_END.match(text, body.end())
            yield Found(match.start(), last.end() if last else lines[-1].end(), "secret", "private key")
