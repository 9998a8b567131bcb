"""Telephone numbers: international ones by their plan, national ones by shape or by the words around them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from serve.privacy.context import meaning_before
from serve.privacy.found import Found

# " ext. 12", and the letters of "1-800-555-HELP".
_EXTENSION = r"[ ,]{0,2}(?:x|ext\.?|extension|Durchwahl)[ ]?[0-9]{1,5}|-[A-Z]{4}"
# A run of digits with what people put between them. The first character is matched before it is looked at
# from behind, so that the engine can jump from candidate to candidate.
_CANDIDATE = re.compile(
    r"[+(0-9](?!(?<=\+)[^(0-9])(?<![\w$€£¥#@^*%+][+(0-9])(?<![0-9][.,:/][+(0-9])(?<!\w-[+(0-9])"
    r"\+?(?:[ .()/-]{0,3}[0-9]){6,48}+"
    rf"(?:{_EXTENSION})?+(?![\w@%€$£]|[.,:/-][0-9])"
)
# Seven digits in a row, when nothing stands between them: quicker to look for.
_SEVEN = re.compile(rb"[0-9]{7}")
_DATE = re.compile(
    r"[0-9]{4}([./-])[0-9]{1,2}\1[0-9]{1,2}(?![0-9])|[0-9]{1,2}([./-])[0-9]{1,2}\2(?:19|20)?[0-9]{2}(?![0-9])"
    r"|(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:[0-2][0-9]|3[01])(?![0-9])"
)
_YEARS = re.compile(r"(?:1[5-9]|20)[0-9]{2}(?:[ ]?[-/, ][ ]?(?:1[5-9]|20)[0-9]{2})+")
_THOUSANDS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{3})+")
_NORTH_AMERICA = re.compile(
    r"(?:1[-. ]{1,2})?(?:\([0-9]{3}\)[ -]?[0-9]{3}[-. ]|[0-9]{3}[-.][0-9]{3}[-.])[0-9]{4}"
)
_AREA_CODE = re.compile(r"\(?0[1-9][0-9]{0,4}\)?[ /-]")
_BETWEEN = re.compile(r"[ ][/-][ ]|[ ]{2,3}")
_SPOKEN_AFTER = re.compile(r"(?i)[ ]?\(?(?:mobile|cell|phone|tel|fax|home|office|mobil|handy|festnetz)\b")
# Where numbers begin with a 0 and are written in groups; the first that knows the number is enough.
_REGIONS = ("DE", "GB", "FR", "IT", "AT", "CH", "NL", "BE", "IE", "SE", "AU", "NZ", "ZA", "JP", "TR")
_MOST_DIGITS, _FEWEST_DIGITS = 15, 7


def phone(text: str) -> Iterator[Found]:
    """Numbers that somebody can be called on; not dates, prices, or numbers of orders and cases."""
    if _SEVEN.search(text.encode("ascii", "replace").translate(None, b" .()/-")) is None:
        return
    for match in _CANDIDATE.finditer(text):
        for start, end in _numbers(match[0], match.start()):
            detail = _plan(text[start:end], text, start, end)
            if detail is not None:
                yield Found(start, end, "phone", detail)


def subscriber(number: str) -> str:
    """The digits that a number has in whichever form: without country code, trunk 0 and extension."""
    import phonenumbers

    spelled = "+" + number[2:] if number.startswith("00") else number
    try:
        return str(phonenumbers.parse(spelled, "US").national_number)
    except phonenumbers.NumberParseException:
        return re.sub(r"\D", "", number).lstrip("0")


def _numbers(run: str, at: int) -> Iterator[tuple[int, int]]:
    """Where the numbers of a run stand in the text; a run that is too long for one may be several."""
    if run.startswith("(") and ")" not in run:
        run, at = run[1:], at + 1
    if sum(map(str.isdigit, run)) <= _MOST_DIGITS:
        yield at, at + len(run)
        return
    begin = 0
    for gap in _BETWEEN.finditer(run):
        yield at + begin, at + gap.start()
        begin = gap.end()
    yield at + begin, at + len(run)


def _plan(number: str, text: str, start: int, end: int) -> str | None:
    """By which numbering plan the candidate is a telephone number, if by any."""
    number = re.sub(_EXTENSION, "", number)
    digits = re.sub(r"\D", "", number)
    grouped = not number.lstrip("+").isdigit()
    if number.lstrip("(").startswith("+"):
        return "international" if _dials(number, digits, grouped) else None
    if not _FEWEST_DIGITS <= len(digits) <= _MOST_DIGITS or _DATE.match(number) or _YEARS.fullmatch(number):
        return None
    if number.startswith("00") and _dials("+" + number[2:], digits[2:], grouped):
        return "international"
    meaning = meaning_before(text, start)
    if meaning in {"thing", "card"} or _THOUSANDS.fullmatch(number):
        return None
    if meaning == "telephone" or _SPOKEN_AFTER.match(text, end):
        # "call 2000000 customers"
        return None if digits.endswith("0000") and not grouped else "national"
    if _NORTH_AMERICA.fullmatch(number):
        return "national"
    return "national" if _AREA_CODE.match(number) and _exists(number) else None


def _dials(number: str, digits: str, grouped: bool) -> bool:
    """Whether a number with a country code has a length that the country uses."""
    import phonenumbers

    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return False
    length = phonenumbers.is_possible_number_with_reason(parsed)
    possible = length == phonenumbers.ValidationResult.IS_POSSIBLE
    # A sign before a bare run of digits can be a plus: "+25000000".
    return possible and (grouped or len(digits) >= 10 or phonenumbers.is_valid_number(parsed))


def _exists(number: str) -> bool:
    """Whether a number that begins with an area code is one in any of the regions."""
    import phonenumbers

    for region in _REGIONS:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(number, region)):
                return True
        except phonenumbers.NumberParseException:
            return False
    return False
