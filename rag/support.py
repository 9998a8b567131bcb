"""Whether a passage bears out an answer.

Numbers, units, dates, names and negation must agree, and the words that say what the
answer is about must stand in the passage. Similar meaning is no proof: a vector cannot
tell 34 euros from 43. What these rules cannot see is a true rewording in other words, so
they err towards doubt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rag.facts import Fact, facts_of, names_of
from rag.letters import fold
from rag.measures import MONTHS
from rag.rarity import Rarity
from rag.words import clauses, negated, restricts, sentences, stem, telling, words

# Share of an answer's telling words, by weight, that the passage must hold.
COVERED_FROM = 0.75
# Where this share of words is capitalised, as German writes its nouns, capitals mark no names.
_CAPITALS_ARE_GRAMMAR = 0.2
# A fact stands beside other words when its sentence has less than this share of the best one's.
_BESIDE = 0.5
# Share of a claim's words from which a sentence is taken to speak of the same.
_CLOSE = 0.5
_ASKS_YES_OR_NO = frozenset(
    fold("is are was were can could may must do does did will would should has have am").split()
    + fold("ist sind war kann können darf dürfen muss müssen soll gibt hat haben wird werden").split()
)
_NO = frozenset({"no", "nein"})
# An answer in itself; the "no" of "no dogs" is none.
_YES_OR_NO = re.compile(r"\s*(yes|no|ja|nein)\s*(?:[,.;:!–—-]\s*|\Z)", re.IGNORECASE)


@dataclass(frozen=True)
class Support:
    """`figure` is the share of the answer's telling words that the passage holds, 0 to 1.

    `doubts` say, a sentence each, what the passage does not bear out; none: it is supported.
    """

    figure: float
    doubts: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.doubts


def check_support(question: str, answer: str, passage: str, *, about: str, rarity: Rarity) -> Support:
    """Compare an answer with the passage it was made from.

    `about` is what names the passage: its headings and its document's title.
    """
    whole = f"{about}\n\n{passage}"
    known = set(telling(whole))
    said = set(telling(answer)) or set(telling(question))
    figure = rarity.total(said & known) / rarity.total(said) if said else 0.0
    doubts = [
        *_wrong_facts(answer, facts_of(whole)),
        *_unknown_names(answer, whole),
        *_misplaced_facts(question, answer, passage, rarity),
        *_denials(question, answer, passage, rarity),
    ]
    if figure < COVERED_FROM:
        told = words(" ".join(doubts))
        missing = sorted({word for word in words(answer) if _is_missing(word, known)}.difference(told))
        if missing or not doubts:
            doubts.append(f"the passage does not speak of: {', '.join(missing) or answer}")
    return Support(round(figure, 3), tuple(dict.fromkeys(doubts)))


def _is_missing(word: str, known: set[str]) -> bool:
    return any(part not in known for part in telling(word))


def _wrong_facts(answer: str, known: list[Fact]) -> Iterator[str]:
    for fact in facts_of(answer):
        same = [other for other in known if _same_value(fact, other)]
        if not same:
            yield f"the passage does not say {fact.shown}"
        elif fact.unit and all(other.unit not in (None, fact.unit) for other in same):
            yield f"the passage says {same[0].shown}, not {fact.shown}"


def _same_value(one: Fact, other: Fact) -> bool:
    """Equal; or dates of which one names no year and is the beginning of the other."""
    if one.unit == other.unit == "date":
        return one.value.startswith(other.value) or other.value.startswith(one.value)
    return one.value == other.value


def _unknown_names(answer: str, whole: str) -> Iterator[str]:
    held = words(whole)
    if len(names_of(whole)) > _CAPITALS_ARE_GRAMMAR * len(held):
        return
    known = {_as_name(word) for word in held}
    for name in names_of(answer):
        if not known.issuperset(map(_as_name, words(name))):
            yield f"the passage does not name {name}"


def _as_name(word: str) -> str | int:
    """A name as it is compared: months by their number, other words by their stem."""
    return MONTHS.get(word) or stem(word)


def _misplaced_facts(question: str, answer: str, passage: str, rarity: Rarity) -> Iterator[str]:
    """Figures that the passage gives, but for something else than question and answer speak of."""
    parts = [(set(telling(part)), facts_of(part)) for part in sentences(passage)]
    for sentence in sentences(answer):
        topic = set(telling(question)) | set(telling(sentence))
        best = max((rarity.total(topic & held) for held, _ in parts), default=0.0)
        for fact in facts_of(sentence):
            beside = [
                rarity.total(topic & held)
                for held, facts in parts
                if any(_same_value(fact, other) for other in facts)
            ]
            if beside and max(beside) < _BESIDE * best:
                yield f"the passage says {fact.shown} of something else"


def _denials(question: str, answer: str, passage: str, rarity: Rarity) -> Iterator[str]:
    """Claims that the closest sentence of the passage denies, or says where they deny."""
    held = [(set(telling(sentence)), sentence) for sentence in sentences(passage)]
    for claim, denies in _claims(question, answer):
        topic = set(telling(claim))
        overlap = [rarity.total(topic & stems) for stems, _ in held]
        best = max(overlap, default=0.0)
        if best == 0 or best < _CLOSE * rarity.total(topic):
            continue
        closest = [sentence for (_, sentence), share in zip(held, overlap, strict=True) if share == best]
        if not any(_may_say(sentence, topic, denies, rarity) for sentence in closest):
            passage_does, answer_does = ("says", "denies") if denies else ("denies", "says")
            yield f"the passage {passage_does} what the answer {answer_does}"


def _may_say(sentence: str, topic: set[str], denies: bool, rarity: Rarity) -> bool:
    """Whether the clauses that speak of the topic deny it as the claim does, taken together.

    "Numbers are given out and cannot be reserved" denies that numbers can be reserved, though
    neither of its clauses does so alone.
    """
    left = set(topic)
    parts = [(set(telling(clause)) & topic, clause) for clause in clauses(sentence)]
    spoken = []
    for stems, clause in sorted(parts, key=lambda part: -rarity.total(part[0])):
        if stems & left:
            left -= stems
            spoken.append(clause)
    return any(map(restricts, spoken)) or any(map(negated, spoken)) is denies


def _claims(question: str, answer: str) -> Iterator[tuple[str, bool]]:
    """What is claimed, and whether it is denied. "No" to a question denies what it asks."""
    alone = _YES_OR_NO.match(answer)
    if alone:
        asked = list(sentences(question))[-1:]
        if asked and words(asked[0])[:1] and words(asked[0])[0] in _ASKS_YES_OR_NO:
            yield asked[0], negated(asked[0]) is not (fold(alone.group(1)) in _NO)
        answer = answer[alone.end() :]
    for sentence in sentences(answer):
        for clause in clauses(sentence):
            yield clause, negated(clause)
