"""Words, sentences and clauses, in any language that parts words by spaces."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rag.letters import fold
from rag.measures import MONTHS, NUMBER_WORDS

_WORD = re.compile(r"\w+(?:['’]\w+)*")
# An end mark and what can begin a sentence; or a new item of a list, row of a table, paragraph.
_SENTENCE_END = re.compile(
    r"(?<=[.!?…])[\"'”’)\]]*\s+(?=[^\s\da-z])|(?<=[.!?…])\s+(?=\d)"
    r"|\n\s*(?:[-*+|]|\d+[.)]\s)|\n(?=[^\n]* \| )|\n[ \t]*\n"
)
_CLAUSE_END = re.compile(
    r"[,;:|()]\s|\b(?:and|but|because|so that|unless|although|while|und|aber|sondern|weil|damit|obwohl)\b",
    re.IGNORECASE,
)
# A full stop that ends no sentence: an abbreviation, an initial, the number of a day before its month.
_NO_END = re.compile(
    r"(?:\b(?:e\.g|i\.e|[ap]\.m|z\.B|d\.h|u\.a|Nr|No|Dr|Mr|Mrs|Ms|St|ca|vs|approx|bzw)|\b[A-Z])\.\s+"
    rf"|\b\d{{1,2}}\.\s+(?i:{'|'.join(MONTHS)})\b"
)

# Words that say how a sentence is built, not what about; English and German.
FUNCTION_WORDS = frozenset(
    fold("""
    a an the this that these those it its they them their he she him her his hers we us our you your i me my
    and or but if then than as at by for from in into of off on onto out over to up with within without about
    after before between during until till through per via because so while where when which who whom whose
    what why how there here is are was were be been being am do does did done has have had having will would
    shall should can could may might must also only just not no nor yes any some all each every both more most
    less least much many few other another such same very too again still already yet own get gets got
    others everybody everyone anybody anyone somebody someone something anything

    der die das den dem des ein eine einen einem einer eines und oder aber wenn dann als an bei für von im in
    ins auf aus zu zum zur mit ohne über unter nach vor zwischen während bis durch pro weil damit wo welche
    welcher welches wer wen wem was warum wie es sie er ihn ihm ihr ihre ihren ihrem ihrer sein seine wir uns
    unser unsere sich ist sind war waren wird werden wurde wurden hat haben hatte hatten kann können darf
    dürfen muss müssen soll sollen auch nur nicht kein keine keinen nein ja alle jede jeder jedes mehr sehr
    man ich du mich dich mir dir mein dein so noch schon hier dort dies diese dieser dieses am um
    """).split()
)
_NOT_TELLING = FUNCTION_WORDS | MONTHS.keys() | NUMBER_WORDS.keys()
NEGATIONS = frozenset(
    fold("""
    no not never none nobody nothing neither nor nowhere cannot without
    nicht nie niemals kein keine keinen keinem keiner keines niemand nichts weder nirgends ohne nein
    """).split()
)
# "only members may book" forbids and allows at once.
_RESTRICTIONS = frozenset(fold("only except unless solely nur außer bloß lediglich").split())
_ENDINGS = (
    "ations",
    "ation",
    "ments",
    "ment",
    "ings",
    "ing",
    "edly",
    "ied",
    "ies",
    "ed",
    "es",
    "ly",
    "s",
    "e",
)


def words(text: str) -> list[str]:
    """The words of a text, folded."""
    return _WORD.findall(fold(text))


def stem(word: str) -> str:
    """A folded word without its commonest endings, so that "booked" meets "booking".

    The language of a document is not known; a stemmer for one would be wrong for the others.
    """
    word = word.removesuffix("'s").replace("'", "")
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    doubled = len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiou"
    return word[:-1] if doubled else word


def telling(text: str) -> list[str]:
    """The stems of the words that say what a text is about, in order; figures and months are facts."""
    return [stem(word) for word in words(text) if _tells(word)]


def _tells(word: str) -> bool:
    # "what's" says as little as "what", and "don't" no more than "not".
    return not (word[0].isdigit() or word.endswith("n't") or word.partition("'")[0] in _NOT_TELLING)


def sentences(text: str) -> Iterator[str]:
    """Sentences, list items and table rows, without white space around."""
    kept = {
        found.start() + found.group().index(". ") for found in _NO_END.finditer(text) if ". " in found.group()
    }
    begin = 0
    for end in _SENTENCE_END.finditer(text):
        if "\n" not in end.group() and end.start() - 1 in kept:
            continue
        yield from filter(None, [text[begin : end.start()].strip()])
        begin = end.start()
    yield from filter(None, [text[begin:].strip()])


def clauses(sentence: str) -> list[str]:
    """The parts of a sentence that can be true or false by themselves."""
    return [part.strip() for part in _CLAUSE_END.split(sentence) if part and telling(part)]


def negated(text: str) -> bool:
    """Whether a clause denies what its other words say; twice denied is said."""
    denials = sum(word in NEGATIONS or word.endswith("n't") for word in words(text))
    return denials % 2 == 1


def restricts(text: str) -> bool:
    """Whether a clause both allows and denies, as "only on Mondays" does."""
    return any(word in _RESTRICTIONS for word in words(text))
