"""Whether an answer is in another language than its question.

Every row is looked at, so a guess has to be cheap: the script for most of the world,
and for languages in Latin letters the small words that only one of them has. Where the
guesses of question and answer differ, a real detector confirms it or the guess is
dropped. A question that asks for another language is no finding.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter

from core.data.clean.spoken import spoken

# How much of a text is looked at, and how much of it must speak for a language.
_HEAD = 300
_WORDS, _LETTERS = 2, 10
# A text in a language has at least one of its small words in so many words.
_SENTENCE = 8

# Small words by language. Those that two of these share say nothing for either, and much against the others.
_SMALL_WORDS = {
    "en": "the and of that it with for are this you be have not they from which what how where",
    "de": "der und das ist nicht ein eine mit auf für von zu dem sich auch wie wird oder sind ihr",
    "fr": "les est et dans une pour qui sur avec pas vous ce sont au cette être nous quelle aux elle votre",
    "es": "el los las y una está muy qué cuál puede también hay pero cuando donde sus usted debe más su",
    "it": "gli che della di sono nel anche più perché questo dei è alla degli delle quale nei sul nella",
    "pt": "os uma não em são dos você seu ao pelo também isso qual pode está à nas pela ele foi aos às tem",
    "nl": "het een van niet zijn voor aan ook naar wordt deze kan welke hoe uit worden maar bij ik uw",
    "pl": "nie się jest że jak dla są oraz przez może być czy jego które który tego ale w",
    "sv": "och är att som på för inte ett av med kan det eller från hur vad jag",
}
_SHARED_WORDS = {
    "en": "is was a to in on as at by or an if i my can do no so we",
    "de": "den des die im in an es so bei aus nach ich sie wir man war was hat bis um",
    "fr": "des de la le un en il on du je ne se plus par que si a y ou son mais comme",
    "es": "de la que en un es no se a con al lo me si o por para como del son",
    "it": "e il la un in si per con da del al non le i lo o a una se come ha",
    "pt": "de a o que e do da das com no na por para como um se as é ou mais",
    "nl": "de en in is dat op te met om was die we er al zo of je",
    "pl": "i na z a o od po co za we u by to tak tym",
    "sv": "en i den de om var så har man ut vi till du",
}
# Scripts other than Latin, each from its first code point on; "" is Latin, signs and symbols.
_SCRIPTS = (
    (0x0000, ""),
    (0x0370, "Greek"),
    (0x0400, "Cyrillic"),
    (0x0530, "Armenian"),
    (0x0590, "Hebrew"),
    (0x0600, "Arabic"),
    (0x0780, ""),
    (0x0900, "Devanagari"),
    (0x0980, "Bengali"),
    (0x0A00, "Gurmukhi"),
    (0x0A80, "Gujarati"),
    (0x0B00, "Odia"),
    (0x0B80, "Tamil"),
    (0x0C00, "Telugu"),
    (0x0C80, "Kannada"),
    (0x0D00, "Malayalam"),
    (0x0D80, "Sinhala"),
    (0x0E00, "Thai"),
    (0x0E80, "Lao"),
    (0x0F00, "Tibetan"),
    (0x1000, "Burmese"),
    (0x10A0, "Georgian"),
    (0x1100, "Korean"),
    (0x1200, "Ethiopic"),
    (0x13A0, ""),
    (0x1780, "Khmer"),
    (0x1800, ""),
    (0x3040, "Japanese"),
    (0x3100, ""),
    (0x3400, "Han"),
    (0xA000, ""),
    (0xAC00, "Korean"),
    (0xD7B0, ""),
    (0xF900, "Han"),
    (0xFB00, ""),
    (0x20000, "Han"),
    (0x32000, ""),
)
_STARTS = [start for start, _ in _SCRIPTS]
_OTHER_SCRIPT = re.compile("[\u0370-\u1fff\u3040-\ud7af\uf900-\ufaff\U00020000-\U00031fff]")
_FENCED = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
# Questions that ask for another language: "translate", or a language's name or ending, in some languages.
_ASKS_FOR_LANGUAGE = re.compile(
    r"(?i)translat|überset|tradu[cisz]|vertaal|przet?łumacz|översätt|перев[еоё]|翻译|翻譯|翻訳|訳し|번역|ترجم|अनुवाद"
    r"|\b(?:english|french|spanish|german|italian|portuguese|dutch|polish|swedish|latin|russian|chinese|mandarin"
    r"|cantonese|japanese|korean|arabic|hebrew|hindi|greek|turkish|vietnamese|thai|ukrainian|languages?)\b"
    r"|englisch|deutsch|français|anglais|inglés|inglese|inglês|engels|angielsk|engelska|английск"
    r"|英语|英文|英語|中文|日本語|영어|الإنجليزية|अंग्रेज़ी"
)


def _words_of_languages() -> dict[str, str]:
    """Each small word and its language. Words that two of the languages share say nothing."""
    spread = Counter(word for words in _SMALL_WORDS.values() for word in words.split())
    return {
        word: language
        for language, words in _SMALL_WORDS.items()
        for word in words.split()
        if spread[word] == 1
    }


_LANGUAGE_OF_WORD = _words_of_languages()
_ALL_WORDS = frozenset(_LANGUAGE_OF_WORD)
_WORDS_OF_LANGUAGE = {
    language: frozenset(f"{words} {_SHARED_WORDS[language]}".split())
    for language, words in _SMALL_WORDS.items()
}


def answers_in_another_language(prompt: str, answer: str) -> bool:
    """Whether the two are in different languages, and the prompt does not ask for that."""
    asked, answered = _guess(prompt), _guess(answer)
    if asked == answered or _may_be_same(prompt, asked, answer, answered):
        return False
    if _ASKS_FOR_LANGUAGE.search(prompt):
        return False
    prompt, answer = _FENCED.sub(" ", prompt), _FENCED.sub(" ", answer)
    asked, answered = _guess(prompt), _guess(answer)
    if asked and answered and not {asked, answered} <= _SMALL_WORDS.keys():
        return asked != answered
    said = spoken(answer)
    return said not in (None, asked) and spoken(prompt) not in (None, said)


def _guess(text: str) -> str | None:
    """A script's name, a language in Latin letters, or None where too little speaks for one."""
    head = text[:_HEAD]
    if not head.isascii():
        letters = _OTHER_SCRIPT.findall(head)
        if len(letters) >= _LETTERS and 3 * len(letters) >= sum(map(str.isalpha, head)):
            return _script(letters)
    found = _ALL_WORDS.intersection(head.lower().split())
    if len(found) < _WORDS:
        return None
    votes = Counter(_LANGUAGE_OF_WORD[word] for word in found)
    best = max(votes, key=lambda language: (votes[language], language))
    return best if votes[best] >= _WORDS and 3 * votes[best] > 2 * len(found) else None


def _may_be_same(prompt: str, asked: str | None, answer: str, answered: str | None) -> bool:
    """Whether the side without a guess may well be in the language of the other."""
    if asked is None:
        return answered is None or _may_be(prompt, answered)
    return answered is None and _may_be(answer, asked)


def _may_be(text: str, language: str) -> bool:
    words = text[:_HEAD].lower().split()
    known = _WORDS_OF_LANGUAGE.get(language, frozenset()).intersection(words)
    return len(words) < _SENTENCE or len(known) * _SENTENCE >= len(words)


def _script(letters: list[str]) -> str | None:
    votes = Counter(_SCRIPTS[bisect_right(_STARTS, ord(letter)) - 1][1] for letter in letters)
    # Japanese is written in two scripts, and a little of its own tells it from Chinese.
    if votes["Japanese"] * 10 >= votes["Han"] and votes["Japanese"]:
        return "Japanese"
    best = max(votes, key=lambda script: (votes[script], script))
    return best or None
