"""Which pairs are worth a person's time: borne out by their passage, about it, and new."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from core.data.generate.passages import Passage
from core.data.generate.repeats import Repeats
from core.data.generate.replies import Pair, Unusable
from rag.rarity import Rarity
from rag.support import Support, check_support
from rag.words import telling


class Judge:
    """Judges pairs in order; each one that passes is known to the next."""

    def __init__(self, passages: Sequence[Passage], known: Iterable[str]) -> None:
        """`known` are questions that are not to be asked again."""
        self._rarity = Rarity(passage.chunk.text for passage in passages)
        self._repeats = Repeats()
        for question in known:
            self._repeats.add(question)

    def judge(self, passage: Passage, pair: Pair) -> Support | Unusable:
        """How well the passage supports the pair, or why it is kept aside."""
        about = set(telling(f"{passage.about}\n{passage.chunk.text}"))
        if about.isdisjoint(telling(pair.question)):
            return Unusable("off_topic", "the question speaks of nothing in the passage")
        support = check_support(
            pair.question, pair.answer, passage.chunk.text, about=passage.about, rarity=self._rarity
        )
        if not support.holds:
            return Unusable("unsupported", "; ".join(support.doubts))
        twin = self._repeats.find(pair.question)
        if twin is not None:
            return Unusable("duplicate", f"it asks the same as: {twin}")
        self._repeats.add(pair.question)
        return support
