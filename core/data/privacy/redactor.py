"""Replace personal data and secrets in rows by stable placeholders."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

from core.models.examples import Example, Prompt
from core.recipe.data import Redactable
from serve.privacy import Detector, Found, Placeholders
from serve.privacy.found import HIDDEN

# Between two turns: words of one explain a number of the next, but no value reaches from one into another.
_BETWEEN = f"\n{HIDDEN}\n"


class Redactor:
    """Puts <EMAIL_1>, <PHONE_2> and the like into examples; a value has one placeholder in an example."""

    def __init__(self, kinds: Sequence[Redactable]) -> None:
        """Raises BadInput when a kind needs a library that is not installed."""
        self._detector = Detector(kinds)

    def find(self, text: str) -> list[Found]:
        """What would be replaced in one text, in its order."""
        return self._detector.find(text)

    def redact(self, example: Example) -> tuple[Example, Counter[str]]:
        """The example without the values, and how many were replaced by kind.

        An example without any comes back as it is; a second time changes nothing.
        """
        texts = _texts(example)
        counts: Counter[str] = Counter()
        placeholders: Placeholders | None = None
        # A value that touched another is seen once the other is gone, so look until nothing is left.
        while any(found := self._find_all(texts)):
            placeholders = placeholders or Placeholders(texts)
            texts = [placeholders.put(text, spans) for text, spans in zip(texts, found, strict=True)]
            counts.update(span.kind for spans in found for span in spans)
        if placeholders is None:
            return example, counts
        redacted = iter(texts)
        return example.changed(lambda _: next(redacted)), counts

    def _find_all(self, texts: Sequence[str]) -> list[list[Found]]:
        """The findings in each of the texts, which are read as one."""
        found: list[list[Found]] = [[] for _ in texts]
        starts = list(accumulate((len(text) + len(_BETWEEN) for text in texts[:-1]), initial=0))
        for span in self._detector.find(_BETWEEN.join(texts)):
            index = bisect_right(starts, span.start) - 1
            at = starts[index]
            found[index].append(Found(span.start - at, span.end - at, span.kind, span.detail))
        return found


def _texts(example: Example) -> list[str]:
    """What `changed` would change, in its order."""
    turns = list(example.turns())
    if not isinstance(example, Prompt) and not any(turn.tool_calls for turn in turns):
        # Nearly all rows; much faster than to rebuild them.
        return [turn.content for turn in turns]
    texts = []

    def collect(text: str) -> str:
        texts.append(text)
        return text

    example.changed(collect)
    return texts
