"""What a model answered, read as a question and an answer, or refused with the reason.

Models wrap, number and explain what they were asked to send bare; this reads what is
there and never guesses at what is not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.data.rows import shorten

_LONGEST_QUESTION, _LONGEST_ANSWER = 600, 2000
# A reply is small; a text of brackets alone must not keep the parser busy.
_MOST_OBJECTS = 20
_SHOWN = 500
_NAMES = {"question": ("question", "q", "frage"), "answer": ("answer", "a", "response", "antwort")}
_JSON_TEXT = r'"(?:[^"\\]|\\.)*"'
_THOUGHT = re.compile(r"\A.*</think>|<think>.*\Z", re.DOTALL)
_MARK = r"^[ \t>*_#-]*(?:\d+[.)]\s*)?[*_]*(?:{names})[*_ \t]*\d*[*_ \t]*[:：][*_]*[ \t]*"
_QUESTION = re.compile(_MARK.format(names="question|frage|q"), re.IGNORECASE | re.MULTILINE)
_ANSWER = re.compile(_MARK.format(names="answer|antwort|a"), re.IGNORECASE | re.MULTILINE)
# Whoever is asked later has no passage before them.
_POINTS_AT_SOURCE = re.compile(
    r"\b(?:the|this|that|above|given|provided|following|quoted)\s+(?:passage|text|document|excerpt|paragraph)\b"
    r"|\b(?:according to|in|from)\s+(?:the\s+)?(?:passage|text|excerpt|document)\b"
    r"|\b(?:de[mnr]|diese[mnrs]?|obigen|folgenden)\s+(?:text|textes|passage|abschnitt|dokument)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Pair:
    """One question and its answer, each without white space around."""

    question: str
    answer: str


@dataclass(frozen=True)
class Unusable:
    """What makes no row: a `code` to count by, and the reason as half a sentence.

    `reply` is the beginning of a reply that could not be read, on one line.
    """

    code: str
    reason: str
    reply: str = ""


def read_reply(reply: str) -> Pair | Unusable:
    """The first pair in a reply: as JSON if there is some, else as lines that begin with Q: and A:."""
    spoken = _THOUGHT.sub("", reply)
    pair = _from_json(spoken) or _from_broken_json(spoken) or _from_lines(spoken)
    if pair is None:
        return Unusable("unreadable", "the reply holds no question with an answer", shorten(reply, _SHOWN))
    refused = _refused(pair)
    return pair if refused is None else Unusable(*refused, shorten(reply, _SHOWN))


def _refused(pair: Pair) -> tuple[str, str] | None:
    """Code and reason, or None for a pair that a person may look at."""
    question, answer = pair.question, pair.answer
    try:
        f"{question}{answer}".encode()
    except UnicodeEncodeError:
        return "unreadable", "the reply holds half a character"
    if "?" not in question and "？" not in question:
        return "unreadable", "the question asks nothing"
    if not any(letter.isalnum() for letter in answer):
        return "unreadable", "the answer is empty"
    if len(question) > _LONGEST_QUESTION or len(answer) > _LONGEST_ANSWER:
        return "unreadable", "question or answer is far too long"
    if question.casefold() == answer.casefold():
        return "unreadable", "the answer repeats the question"
    if _POINTS_AT_SOURCE.search(question) or _POINTS_AT_SOURCE.search(answer):
        return "refers_to_passage", "it speaks of a passage that the reader does not have"
    return None


def _from_json(reply: str) -> Pair | None:
    for value in _objects(reply):
        texts = {name: _text(value, spellings) for name, spellings in _NAMES.items()}
        if texts["question"] and texts["answer"]:
            return Pair(texts["question"], texts["answer"])
    return None


def _objects(reply: str) -> Iterator[Mapping[str, Any]]:
    """The JSON objects in a reply, whatever stands around them."""
    decoder = json.JSONDecoder()
    at = reply.find("{")
    for _ in range(_MOST_OBJECTS):
        if at < 0:
            return
        try:
            value, end = decoder.raw_decode(reply, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            yield value
        at = reply.find("{", end)


def _text(value: Mapping[str, Any], spellings: tuple[str, ...]) -> str:
    for key, item in value.items():
        if key.strip().casefold() in spellings and isinstance(item, str):
            return _tidy(item)
    return ""


def _from_broken_json(reply: str) -> Pair | None:
    """A pair whose texts are whole, in an object that never ends because the model rambled on."""
    texts = []
    for spellings in _NAMES.values():
        found = re.search(rf'"(?:{"|".join(spellings)})"\s*:\s*({_JSON_TEXT})', reply, re.IGNORECASE)
        if found is None:
            return None
        try:
            texts.append(_tidy(json.loads(found.group(1), strict=False)))
        except ValueError:
            return None
    return Pair(*texts) if all(texts) else None


def _from_lines(reply: str) -> Pair | None:
    asked = _QUESTION.search(reply)
    answered = _ANSWER.search(reply, asked.end()) if asked else None
    if asked is None or answered is None:
        return None
    following = _QUESTION.search(reply, answered.end())
    answer = reply[answered.end() : following.start() if following else len(reply)]
    question, answer = _tidy(reply[asked.end() : answered.start()]), _tidy(answer.split("\n\n")[0])
    return Pair(question, answer) if question and answer else None


def _tidy(text: str) -> str:
    """One line, without quotes or emphasis that embrace it all."""
    line = " ".join(text.split())
    embraced = re.fullmatch(r"""(\*\*|["“„'])(.*?)(\*\*|["”“'])""", line)
    return embraced.group(2).strip() if embraced else line
