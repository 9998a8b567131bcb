"""Made-up addresses, numbers and keys, in the forms in which people and machines write them.

Every value is random: no person, account or key is meant.
"""

from __future__ import annotations

import random
import re
import string
from base64 import urlsafe_b64encode
from collections.abc import Callable

import phonenumbers

HEX = "0123456789abcdef"
BASE62 = string.ascii_letters + string.digits
FIRST = (
    "Anna",
    "Bob",
    "Chloé",
    "Dmitri",
    "Elif",
    "Fatima",
    "George",
    "Hiro",
    "Ingrid",
    "João",
    "Kwame",
    "Li",
)
LAST = ("Müller", "Smith", "O'Brien", "Nguyen", "García", "Kowalski", "Rossi", "Okafor", "Svensson", "Yılmaz")
DOMAINS = ("firm.de", "mail.example.org", "uni-koeln.de", "my-shop.co.uk", "gmail.com", "x.io", "post.museum")
# Account numbers by country, as SWIFT writes them: n a digit, a a capital, c either.
BANKS = {
    "DE": "n18", "FR": "n10c11n2", "GB": "a4n14", "NL": "a4n10", "ES": "n20", "IT": "a1n10c12", "CH": "n5c12",
    "AT": "n16", "BE": "n12", "PL": "n24", "NO": "n11", "SE": "n20", "PT": "n21", "MT": "a4n5c18",
    "SA": "n2c18", "TR": "n6c16", "BR": "n23a1c1",
}  # fmt: skip
CARDS = (("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("2720", 16), ("34", 15), ("37", 15), ("6011", 16),
         ("65", 16), ("3528", 16), ("36", 14), ("62", 16))  # fmt: skip
REGIONS = (
    "US",
    "GB",
    "DE",
    "FR",
    "ES",
    "IT",
    "NL",
    "AT",
    "CH",
    "PL",
    "SE",
    "IN",
    "JP",
    "BR",
    "AU",
    "ZA",
    "TR",
    "MX",
)


def some(chance: random.Random, letters: str, count: int) -> str:
    """`count` random letters."""
    return "".join(chance.choices(letters, k=count))


def digits(chance: random.Random, count: int) -> str:
    """`count` random digits, the first not 0."""
    return chance.choice("123456789") + some(chance, string.digits, count - 1)


def _email(chance: random.Random) -> tuple[str, str]:
    first, last = chance.choice(FIRST).lower(), chance.choice(LAST).lower()
    user = chance.choice(
        (f"{first}.{last}", f"{first}_{last}{chance.randint(1, 99)}", f"{first[0]}{last}", first)
    )
    domain = chance.choice(DOMAINS)
    if chance.random() < 0.15:
        dot = chance.choice((" [dot] ", "(dot)", "."))
        return "written out", user + chance.choice((" [at] ", "(at)", " (at) ")) + domain.replace(".", dot)
    tagged = f"{user}+{chance.choice(('news', 'shop', 'x1'))}" if chance.random() < 0.2 else user
    return "plain", f"{tagged}@{domain.upper() if chance.random() < 0.1 else domain}"


def _phone(chance: random.Random) -> tuple[str, str]:
    kinds = phonenumbers.PhoneNumberType
    sort = chance.choice((kinds.FIXED_LINE, kinds.MOBILE))
    while True:
        number = phonenumbers.example_number_for_type(chance.choice(REGIONS), sort)
        digits_ = str(number.national_number)
        # The library's example with other last digits, so that they differ.
        number.national_number = int(digits_[:-4] + some(chance, string.digits, 4))
        if phonenumbers.is_valid_number(number):
            break
    formats = phonenumbers.PhoneNumberFormat
    form, style = chance.choice(
        (("international", formats.INTERNATIONAL), ("bare", formats.E164), ("national", formats.NATIONAL))
    )
    spelled = phonenumbers.format_number(number, style)
    if form == "international" and chance.random() < 0.2:
        return form, spelled.replace("+", "00")
    return form, spelled.replace(
        " ", chance.choice((" ", " ", "-", "."))
    ) if form == "international" else spelled


def _iban(chance: random.Random) -> tuple[str, str]:
    country = chance.choice(sorted(BANKS))
    letters = {
        "n": string.digits,
        "a": string.ascii_uppercase,
        "c": string.digits * 6 + string.ascii_uppercase,
    }
    sorts = re.findall(r"([nac])([0-9]+)", BANKS[country])
    account = "".join(some(chance, letters[sort], int(count)) for sort, count in sorts)
    check = 98 - int("".join(str(int(letter, 36)) for letter in account + country + "00")) % 97
    number = f"{country}{check:02d}{account}"
    if chance.random() < 0.6:
        return "grouped", " ".join(number[at : at + 4] for at in range(0, len(number), 4))
    return "bare", number.lower() if chance.random() < 0.1 else number


def _card(chance: random.Random) -> tuple[str, str]:
    prefix, length = chance.choice(CARDS)
    body = prefix + some(chance, string.digits, length - len(prefix) - 1)
    number = body + luhn(body)
    mark = chance.choice(("", " ", "-"))
    sizes = (4, 6, 5) if length == 15 else (4, 6, 4) if length == 14 else (4, 4, 4, 4)
    groups, at = [], 0
    for size in sizes:
        groups.append(number[at : at + size])
        at += size
    return "grouped" if mark else "bare", mark.join(groups)


def luhn(body: str) -> str:
    """The digit that makes a card number check."""
    total = sum(
        int(digit) if place % 2 else sum(map(int, str(2 * int(digit))))
        for place, digit in enumerate(body[::-1])
    )
    return str(-total % 10)


def _ip(chance: random.Random) -> tuple[str, str]:
    if chance.random() < 0.6:
        first = chance.choice((10, 172, 192, chance.randint(2, 126), chance.randint(128, 223)))
        return "IPv4", ".".join(map(str, (first, *(chance.randint(0, 255) for _ in range(3)))))
    groups = ["2001", *(f"{chance.randint(1, 0xFFFF):x}" for _ in range(7))]
    if chance.random() < 0.5:
        return "IPv6 short", ":".join(groups[:3]) + "::" + ":".join(groups[6:])
    return "IPv6", ":".join(groups)


def _secret(chance: random.Random) -> tuple[str, str]:
    form = chance.choice(sorted(TOKENS))
    return form, TOKENS[form](chance)


def _jwt(chance: random.Random) -> str:
    parts = (b'{"alg":"HS256","typ":"JWT"}', b'{"sub":"%d"}' % chance.randint(1, 10**9), chance.randbytes(32))
    return ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def _pem(chance: random.Random) -> str:
    body = "\n".join(some(chance, BASE62 + "+/", 64) for _ in range(6))
    sort = chance.choice(("RSA ", "EC ", "OPENSSH ", ""))
    return f"-----BEGIN {sort}PRIVATE KEY-----\n{body}\n-----END {sort}PRIVATE KEY-----"


def _password(chance: random.Random) -> str:
    word = chance.choice(("Sommer", "dragon", "Tr0ub", "correct", "blue-Sky", "Passau"))
    return word + chance.choice(("!", "$", "_", "")) + digits(chance, chance.randint(2, 4))


def _one(chance: random.Random, *prefixes: str) -> str:
    return chance.choice(prefixes)


TOKENS: dict[str, Callable[[random.Random], str]] = {
    "aws": lambda c: _one(c, "AKIA", "ASIA") + some(c, string.ascii_uppercase + "234567", 16),
    "github": lambda c: _one(c, "ghp_", "gho_", "ghs_") + some(c, BASE62, 36),
    "github fine": lambda c: "github_pat_" + some(c, BASE62, 22) + "_" + some(c, BASE62, 59),
    "gitlab": lambda c: "glpat-" + some(c, BASE62 + "-_", 19) + some(c, BASE62, 1),
    "slack": lambda c: f"xoxb-{digits(c, 12)}-{digits(c, 13)}-{some(c, BASE62, 24)}",
    "stripe": lambda c: _one(c, "sk_live_", "rk_live_", "sk_test_") + some(c, BASE62, 24),
    "openai": lambda c: "sk-" + some(c, BASE62, 48),
    "openai project": lambda c: "sk-proj-" + some(c, BASE62 + "-_", 155) + some(c, BASE62, 1),
    "anthropic": lambda c: "sk-ant-api03-" + some(c, BASE62 + "-_", 93) + "AA",
    "google": lambda c: "AIza" + some(c, BASE62 + "-_", 34) + some(c, BASE62, 1),
    "hugging face": lambda c: "hf_" + some(c, BASE62, 34),
    "npm": lambda c: "npm_" + some(c, BASE62, 36),
    "pypi": lambda c: "pypi-AgEIcHlwaS5vcmc" + some(c, BASE62 + "-_", 150) + some(c, BASE62, 1),
    "sendgrid": lambda c: f"SG.{some(c, BASE62 + '-_', 22)}.{some(c, BASE62 + '-_', 42)}{some(c, BASE62, 1)}",
    "twilio": lambda c: "SK" + some(c, HEX, 32),
    "telegram": lambda c: f"{digits(c, 10)}:AA{some(c, BASE62 + '-_', 32)}{some(c, BASE62, 1)}",
    "jwt": _jwt,
    "pem": _pem,
    "password": _password,
    "password in a link": _password,
    "assigned": lambda c: some(c, BASE62, 32),
    "assigned hex": lambda c: some(c, HEX, 40),
}
# What makes a form and a value of each kind.
MAKERS = {"email": _email, "phone": _phone, "iban": _iban, "card": _card, "ip": _ip, "secret": _secret}
