"""Bank accounts and payment cards: numbers that carry a checksum."""

from __future__ import annotations

import re
from collections.abc import Iterator

from serve.privacy.context import meaning_before
from serve.privacy.found import Found

# Length of an IBAN by country, from SWIFT's registry.
_LENGTHS = {
    **dict.fromkeys(("NO",), 15),
    **dict.fromkeys(("BE",), 16),
    **dict.fromkeys(("DK", "FI", "FK", "FO", "GL", "NL", "SD"), 18),
    **dict.fromkeys(("MK", "SI"), 19),
    **dict.fromkeys(("AT", "BA", "EE", "KZ", "LT", "LU", "MN", "XK"), 20),
    **dict.fromkeys(("CH", "CR", "HR", "LI", "LV"), 21),
    **dict.fromkeys(("BG", "BH", "DE", "GB", "GE", "IE", "ME", "RS", "VA"), 22),
    **dict.fromkeys(("AE", "GI", "IL", "IQ", "OM", "SO", "TL"), 23),
    **dict.fromkeys(("AD", "CZ", "ES", "MD", "PK", "RO", "SA", "SE", "SK", "TN", "VG"), 24),
    **dict.fromkeys(("LY", "PT", "ST"), 25),
    **dict.fromkeys(("IS", "TR"), 26),
    **dict.fromkeys(("BI", "DJ", "FR", "GR", "IT", "MC", "MR", "SM"), 27),
    **dict.fromkeys(("AL", "AZ", "BY", "CY", "DO", "GT", "HN", "HU", "LB", "NI", "PL", "SV"), 28),
    **dict.fromkeys(("BR", "EG", "PS", "QA", "UA"), 29),
    **dict.fromkeys(("JO", "KW", "MU", "YE"), 30),
    **dict.fromkeys(("MT", "SC"), 31),
    **dict.fromkeys(("LC",), 32),
    **dict.fromkeys(("RU",), 33),
}
# Found by its digits, because letters are everywhere.
_COUNTRY = re.compile(r"[0-9]{2}(?<=\b[A-Za-z]{2}[0-9]{2})")
_REST = re.compile(r"(?:[ .-]?[A-Za-z0-9]){11,34}")

_CARD = re.compile(r"[2-69](?<!\w[+-].)(?<![\w#$€£.][2-69])(?:[ .-]?[0-9]){11,18}+(?![\w%€]|[.,-][0-9])")
_GROUPS = re.compile(
    r"[0-9]{12,19}|[0-9]{4}([ .-])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{1,3})?"
    r"|[0-9]{4}([ .-])[0-9]{6}\2[0-9]{4,5}"
)
# Brand, first and last leading digits, lengths. The first that fits is the brand.
_BRANDS: tuple[tuple[str, str, str, frozenset[int]], ...] = (
    ("visa", "4", "4", frozenset({16, 19})),
    ("mastercard", "51", "55", frozenset({16})),
    ("mastercard", "2221", "2720", frozenset({16})),
    ("american express", "34", "34", frozenset({15})),
    ("american express", "37", "37", frozenset({15})),
    ("discover", "6011", "6011", frozenset({16, 19})),
    ("discover", "644", "659", frozenset({16, 19})),
    ("unionpay", "62", "62", frozenset({16, 17, 18, 19})),
    ("jcb", "3528", "3589", frozenset({16, 17, 18, 19})),
    ("diners club", "300", "305", frozenset({14})),
    ("diners club", "36", "36", frozenset({14})),
    ("diners club", "38", "39", frozenset({14})),
    *(
        ("maestro", prefix, prefix, frozenset(range(12, 20)))
        for prefix in ("5018", "5020", "5038", "5893", "6304", "6759", "6761", "6762", "6763")
    ),
)


def iban(text: str) -> Iterator[Found]:
    """Account numbers whose country, length and check digits agree."""
    end = 0
    for match in _COUNTRY.finditer(text):
        start = match.start() - 2
        length = _LENGTHS.get(text[start : match.start()].upper())
        if length is None or start < end:
            continue
        rest = _REST.match(text, match.end())
        stop = None if rest is None else _after(text, match.end(), rest.end(), length - 4)
        if stop is not None and _rest_is_one(text[start:stop]):
            end = stop
            yield Found(start, stop, "iban", text[start : match.start()].upper())


def card(text: str) -> Iterator[Found]:
    """Card numbers of a known brand whose last digit checks; bare ones not where words say order or case."""
    for match in _CARD.finditer(text):
        number = match[0]
        digits = re.sub(r"\D", "", number)
        brand = _brand(digits)
        if brand is None or not _GROUPS.fullmatch(number) or not _luhn(digits):
            continue
        if number.isdigit() and meaning_before(text, match.start()) == "thing":
            continue
        yield Found(match.start(), match.end(), "card", brand)


def _after(text: str, at: int, limit: int, characters: int) -> int | None:
    """The position after so many letters and digits from `at` on, if a word ends there."""
    while characters and at < limit:
        characters -= text[at].isalnum()
        at += 1
    ends = not text[at : at + 1].isalnum()
    return at if not characters and ends else None


def _rest_is_one(number: str) -> bool:
    """ISO 7064: the number, its first four characters last, letters as 10 to 35, leaves 1 by 97."""
    plain = re.sub(r"[^A-Za-z0-9]", "", number).upper()
    # 00, 01 and 99 leave the same as 97, 98 and 02, which are the ones in use.
    return (
        "02" <= plain[2:4] <= "98"
        and int("".join(str(int(letter, 36)) for letter in plain[4:] + plain[:4])) % 97 == 1
    )


def _brand(digits: str) -> str | None:
    for brand, first, last, lengths in _BRANDS:
        if len(digits) in lengths and first <= digits[: len(first)] <= last:
            return brand
    return None


def _luhn(digits: str) -> bool:
    """Every second digit from the right counts double, with its own digits summed; the sum ends with 0."""
    double = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (double + sum(map(int, digits[-1::-2]))) % 10 == 0 and len(set(digits)) > 1
