"""Units, months and written numbers, in English and German, as folded text spells them."""

from __future__ import annotations

from rag.letters import fold

UNITS = {
    form: unit
    for unit, forms in {
        "euro": "€ eur euro euros",
        "dollar": "$ usd dollar dollars",
        "pound": "£ gbp pound pounds",
        "cent": "cent cents",
        "percent": "% percent prozent",
        "second": "second seconds sekunde sekunden",
        "minute": "min minute minutes minuten",
        "hour": "h hour hours stunde stunden",
        "day": "day days tag tage tagen",
        "night": "night nights nacht nächte nächten",
        "week": "week weeks woche wochen",
        "month": "month months monat monate monaten",
        "year": "year years jahr jahre jahren",
        "metre": "m metre metres meter meters metern",
        "kilometre": "km kilometre kilometres kilometer kilometers",
        "centimetre": "cm centimetre centimetres centimeter centimeters",
        "millimetre": "mm millimetre millimetres millimeter millimeters",
        "gram": "g gram grams gramm",
        "kilogram": "kg kilo kilos kilogram kilograms kilogramm",
        "litre": "l litre litres liter liters",
        "degree": "° °c °f degree degrees grad",
        "kilobyte": "kb kib kilobyte kilobytes",
        "megabyte": "mb mib megabyte megabytes",
        "gigabyte": "gb gib gigabyte gigabytes",
    }.items()
    for form in fold(forms).split()
}
MONTHS = {
    form: number
    for number, forms in enumerate(
        (
            "january jan januar",
            "february feb februar",
            "march mar märz",
            "april apr",
            "may mai",
            "june jun juni",
            "july jul juli",
            "august aug",
            "september sep sept",
            "october oct oktober okt",
            "november nov",
            "december dec dezember dez",
        ),
        1,
    )
    for form in fold(forms).split()
}
# "One" is left out: mostly it stands for a thing and counts nothing.
NUMBER_WORDS = {
    word: value
    for value, both in {
        2: "two zwei",
        3: "three drei",
        4: "four vier",
        5: "five fünf",
        6: "six sechs",
        7: "seven sieben",
        8: "eight acht",
        9: "nine neun",
        10: "ten zehn",
        11: "eleven elf",
        12: "twelve zwölf",
        13: "thirteen dreizehn",
        14: "fourteen vierzehn",
        15: "fifteen fünfzehn",
        16: "sixteen sechzehn",
        17: "seventeen siebzehn",
        18: "eighteen achtzehn",
        19: "nineteen neunzehn",
        20: "twenty zwanzig",
        30: "thirty dreißig",
        40: "forty vierzig",
        50: "fifty fünfzig",
        60: "sixty sechzig",
        70: "seventy siebzig",
        80: "eighty achtzig",
        90: "ninety neunzig",
        100: "hundred hundert",
        1000: "thousand tausend",
    }.items()
    for word in fold(both).split()
}
