"""What is odd in an answer, beside the prompt that it answers."""

from __future__ import annotations

import re
from collections import Counter

_PLACEHOLDERS = re.compile(
    r"(?i)\s*(?:todo|tb[ad]|fixme|n/?a|nil|null|nan|undefined|placeholder|xxx+|\.{3,}|…|-+|\?+|lorem ipsum"
    r"|[<\[]?no ?(?:out|in)put[>\]]?|[<\[](?:answer|insert|response|output|blank)(?: here)?[>\]])[.!:]?\s*"
)
_LONGEST_PLACEHOLDER = 24
_MACHINE = re.compile(r"(?i)\bas an? (?:ai|artificial intelligence)\b(?: language)?(?: model| assistant)?")
# Below this an answer that repeats its prompt may just be short: "2 + 2 =" and "2 + 2 = 4".
_SHORTEST_ECHO = 20
# Words are counted as characters, which costs nothing: 40 words are about 240.
_LONG_ANSWER = 240
_FULL_LINE = 40
# Scripts that end a sentence without a mark: Thai, Lao, Tibetan, Myanmar, Khmer.
_UNMARKED = re.compile("[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff]")
_GOES_ON = frozenset(",;(-–—")
# How the lines of lists and tables begin, and what ends a text without a full stop.
_LISTS = frozenset("-*•#|>0123456789")
_ADDRESS_LENGTH = 200
_ADDRESS = re.compile(r"(?:://\S+|[#@]\w+)\Z")
# The end of an answer by which a loop is found, and how many letters it needs: rulers and tables have few.
_LOOP_END, _LOOP_LETTERS = 32, 8
_LOOP_TIMES = 3
# A song may repeat its refrain, and seldom says one line so often.
_REPEATED_LINE, _REPEATED_TIMES = 20, 4


def repeats_prompt(prompt: str, answer: str) -> bool:
    """Whether the answer begins with all of the prompt."""
    prompt = prompt.strip()
    return len(prompt) >= _SHORTEST_ECHO and answer.lstrip().startswith(prompt)


def is_placeholder(prompt: str, answer: str) -> bool:
    """Whether the answer only stands where one was meant to be."""
    if len(answer) <= _LONGEST_PLACEHOLDER:
        return _PLACEHOLDERS.fullmatch(answer) is not None
    return "orem ipsum" in answer and "orem ipsum" not in prompt


def machine_phrase_at(answer: str) -> int | None:
    """Where an answer says that it is from a machine, or None."""
    if "AI" not in answer and "rtificial intelligence" not in answer:
        return None
    found = _MACHINE.search(answer)
    return None if found is None else found.start()


def is_cut(answer: str) -> bool:
    """Whether a long answer stops in the middle of a sentence, or of a program."""
    answer = answer.rstrip()
    if len(answer) < _LONG_ANSWER:
        return False
    if "```" in answer and answer.count("```") % 2:
        return True
    last = answer[-1]
    if not (last.isalpha() or last in _GOES_ON):
        return False
    line = answer[answer.rfind("\n") + 1 :]
    return len(line) >= _FULL_LINE and not (
        _UNMARKED.match(last) or line.lstrip()[:1] in _LISTS or _ADDRESS.search(line[-_ADDRESS_LENGTH:])
    )


def loops(answer: str) -> bool:
    """Whether an answer ends by saying the same over and over, or says one line again and again."""
    end = answer[-_LOOP_END:]
    before = answer.rfind(end, 0, len(answer) - 1)
    if before >= 0 and len(set(end)) >= _LOOP_LETTERS:
        period = answer[before - len(answer) + len(end) :]
        if answer.endswith(period * _LOOP_TIMES):
            return True
    if answer.count("\n") < _REPEATED_TIMES:
        return False
    lines = [line for line in answer.split("\n") if len(line) >= _REPEATED_LINE]
    if len(lines) - len(set(lines)) < _REPEATED_TIMES - 1:
        return False
    line, times = Counter(lines).most_common(1)[0]
    return times >= _REPEATED_TIMES and len(set(line)) >= _LOOP_LETTERS


def much_alike(chosen: str, rejected: str) -> bool:
    """Whether two answers share nine of ten words, so that little is left to prefer."""
    one, other = set(chosen.split()), set(rejected.split())
    return chosen != rejected and len(one & other) >= 0.9 * len(one | other) > 0
