"""Questions that were asked before, word for word or nearly so."""

from __future__ import annotations

from collections import Counter, defaultdict

from rag.facts import facts_of, names_of
from rag.words import stem, telling, words

# Share of common word triples, or of common telling words, from which two questions are one.
_SAME_TRIPLES, _SAME_WORDS = 0.7, 0.8


class Repeats:
    """Remembers questions, and finds the earlier one that a new one repeats.

    Questions that differ in a number or a name ask for different things, however much
    the rest agrees.
    """

    def __init__(self) -> None:
        self._known: list[_Question] = []
        self._exact: dict[tuple[str, ...], int] = {}
        self._holders: defaultdict[str, list[int]] = defaultdict(list)

    def add(self, question: str) -> None:
        entry = _Question(question)
        self._exact.setdefault(entry.words, len(self._known))
        for word in sorted(entry.telling):
            self._holders[word].append(len(self._known))
        self._known.append(entry)

    def find(self, question: str) -> str | None:
        """The first earlier question that asks the same, or None."""
        new = _Question(question)
        if new.words in self._exact:
            return self._known[self._exact[new.words]].text
        shared = Counter(place for word in sorted(new.telling) for place in self._holders.get(word, ()))
        # Fewer common words than this cannot reach the share.
        needed = _SAME_WORDS / 2 * len(new.telling)
        for place in sorted(place for place, count in shared.items() if count >= needed):
            if new.asks_the_same(self._known[place]):
                return self._known[place].text
        return None


class _Question:
    def __init__(self, text: str) -> None:
        self.text = text
        self.words = tuple(words(text))
        self.telling = frozenset(telling(text))
        self.triples = frozenset(zip(self.words, self.words[1:], self.words[2:], strict=False))
        self.exact = frozenset(fact.value for fact in facts_of(text)) | frozenset(
            stem(name.casefold()) for name in names_of(text)
        )

    def asks_the_same(self, other: _Question) -> bool:
        if self.exact != other.exact:
            return False
        return (
            _common(self.triples, other.triples) >= _SAME_TRIPLES
            or _common(self.telling, other.telling) >= _SAME_WORDS
        )


def _common(one: frozenset[object], other: frozenset[object]) -> float:
    return len(one & other) / len(one | other) if one or other else 0.0
