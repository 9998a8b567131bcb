"""Numbers, names and codes that look like personal data or secrets and are not: one maker a sort."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from hashlib import md5, sha1, sha256

from benchmarks.redaction_values import BASE62, HEX, digits, luhn, some


def _invalid_card(chance: random.Random) -> str:
    body = "4" + some(chance, "0123456789", 14)
    number = body + str((int(luhn(body)) + chance.randint(1, 9)) % 10)
    return " ".join(number[at : at + 4] for at in range(0, 16, 4))


def _date(chance: random.Random) -> str:
    day, month, year = chance.randint(1, 28), chance.randint(1, 12), chance.randint(1950, 2030)
    return chance.choice(
        (
            f"{year}-{month:02}-{day:02}",
            f"{day:02}.{month:02}.{year}",
            f"{month}/{day}/{year}",
            f"{day}-{month}-{year}",
            f"{year}{month:02}{day:02}",
            f"{year}-{month:02}-{day:02}T10:{day:02}:59Z",
            f"{year}/{month:02}/{day:02}",
        )
    )


def _isbn(chance: random.Random) -> str:
    group, title = chance.randint(10, 99), digits(chance, 6)
    return chance.choice(
        (
            f"978-3-{group}-{title}-{chance.randint(0, 9)}",
            f"0-{group}{group}-{title[:5]}-X",
            f"978{digits(chance, 10)}",
            f"3-{group}-{title}-{chance.randint(0, 9)}",
        )
    )


def _number(chance: random.Random, least: int, most: int) -> str:
    return digits(chance, chance.randint(least, most))


def _version(chance: random.Random) -> str:
    return ".".join(str(chance.randint(0, 30)) for _ in range(4))


def _price(chance: random.Random) -> str:
    whole, part = chance.randint(1000, 99_999_999), chance.randint(0, 99)
    english = f"{whole:,}.{part:02}"
    german = english.translate(str.maketrans(",.", ".,"))
    return chance.choice((f"${english}", f"{german} €", f"€{german}", f"{whole:,} dollars", f"USD {english}"))


def _one(chance: random.Random, *choices: str) -> str:
    return chance.choice(choices)


LOOKALIKES: dict[str, Callable[[random.Random], str]] = {
    "order": lambda c: (
        f"{_one(c, 'Order', 'My order number is', 'Bestellung', 'Invoice', 'Commande no')} "
        + _one(c, _number(c, 7, 12), f"{digits(c, 3)}-{digits(c, 7)}-{digits(c, 7)}", f"#{digits(c, 10)}")
    ),
    "case": lambda c: _one(
        c,
        f"Case {c.randint(1, 9)}:{c.randint(10, 24)}-cv-{_number(c, 5, 5)}",
        f"ticket {_number(c, 7, 10)} is open",
        f"Aktenzeichen {c.randint(1, 99)} C {_number(c, 4, 4)}/21",
        f"Your reference: {digits(c, 3)}-{digits(c, 3)}-{digits(c, 4)}",
    ),
    "date": lambda c: f"{_one(c, 'Due on', 'From', 'Born', 'Call us before', 'Am')} {_date(c)}",
    "dates": lambda c: f"{_one(c, 'open', 'valid', 'between')} {_date(c)} - {_date(c)}",
    "years": lambda c: (
        f"The war of {c.randint(1500, 1800)}-{c.randint(1801, 2020)}, and again {c.randint(1801, 1990)}."
    ),
    "version": lambda c: (
        f"{_one(c, 'version', 'Version:', 'v', 'Release', 'firmware', 'driver version is')} {_version(c)}"
    ),
    "pin": lambda c: f"{_one(c, 'numpy', 'my-package', 'lib_x')}{_one(c, '==', '>=', '~=')}{_version(c)}",
    "section": lambda c: _one(
        c, f"see section {_version(c)}", f"{_version(c)} Requirements of the part", f"§ {_version(c)}"
    ),
    "agent": lambda c: (
        f"Mozilla/5.0 Chrome/{c.randint(80, 130)}.0.{c.randint(0, 255)}.{c.randint(0, 255)} Safari/537.36"
    ),
    "local": lambda c: _one(
        c, "localhost 127.0.0.1:8080", "bind 0.0.0.0", "mask 255.255.255.0", "[::1]:443", "::1"
    ),
    "md5": lambda c: (
        f"{_one(c, 'md5', 'etag', 'checksum')} {md5(c.randbytes(9), usedforsecurity=False).hexdigest()}"
    ),
    "sha": lambda c: f"{_one(c, 'sha256:', 'digest', 'sum')} {sha256(c.randbytes(9)).hexdigest()}",
    "commit": lambda c: (
        f"fixed in commit {sha1(c.randbytes(9), usedforsecurity=False).hexdigest()[: c.choice((7, 40))]}"
    ),
    "uuid": lambda c: f"{_one(c, 'id', 'request', 'trace')} {uuid.UUID(bytes=c.randbytes(16), version=4)}",
    "price": lambda c: f"{_one(c, 'It costs', 'Total:', 'a call for', 'Preis')} {_price(c)}",
    "isbn": lambda c: f"{_one(c, 'ISBN', 'ISBN:', 'the book')} {_isbn(c)}",
    "count": lambda c: (
        f"{_one(c, 'about', 'a population of', 'exactly', 'roughly')} {_number(c, 7, 10)} "
        + _one(c, "people", "rows")
    ),
    "decimal": lambda c: f"{_one(c, 'pi is', 'x =', 'loss')} {c.random() * 10:.12f}",
    "place": lambda c: f"at {c.uniform(-90, 90):.6f}, {c.uniform(-180, 180):.6f}",
    "time": lambda c: (
        f"epoch {c.randint(10**9, 2 * 10**9)} at {c.randint(0, 23)}:{c.randint(10, 59)}:{c.randint(10, 59)}"
    ),
    "mac": lambda c: ":".join(f"{c.randint(0, 255):02x}" for _ in range(c.choice((6, 8)))),
    "code": lambda c: _one(
        c,
        "std::vector<int>::iterator it;",
        "@dataclass\nclass A:",
        "f(1234567, 89)",
        "dead::beef()",
        "let x = a::b2::c;",
        "#define N 1000000007",
        "a[:1, 2:3]",
        "x: int = 5",
        "0x7fff5fbff8c0",
    ),
    "math": lambda c: (
        f"{_number(c, 3, 5)} - {_number(c, 3, 4)} + {_number(c, 2, 4)} / {_number(c, 1, 2)} = ?"
    ),
    "list": lambda c: " ".join(_number(c, 1, 4) for _ in range(9)),
    "ladder": lambda c: "\n".join(f"{row}. {_number(c, 2, 6)}" for row in range(1, 7)),
    "tracking": lambda c: (
        f"tracking {_one(c, '1Z' + some(c, HEX.upper(), 16), digits(c, 12), digits(c, 20))}"
    ),
    "product": lambda c: (
        f"{_one(c, 'EAN', 'SKU', 'part', 'serial', 'model')} "
        + _one(c, digits(c, 13), f"{digits(c, 4)}-{digits(c, 4)}")
    ),
    "paper": lambda c: (
        f"doi:10.{digits(c, 4)}/{digits(c, 7)} and arXiv:{digits(c, 4)}.{digits(c, 5)}, PMID {digits(c, 8)}"
    ),
    "patent": lambda c: f"US Patent {c.randint(5, 11)},{digits(c, 3)},{digits(c, 3)} B2",
    "bad card": lambda c: f"{_one(c, 'card', 'Visa', 'number')} {_invalid_card(c)}",
    "bad iban": lambda c: (
        f"IBAN DE00 {digits(c, 4)} {digits(c, 4)} {digits(c, 4)} {digits(c, 4)} {digits(c, 2)}"
    ),
    "handle": lambda c: (
        f"follow @{_one(c, 'anna_m', 'bob')} and see react@{c.randint(1, 18)}.2.0 or logo@2x.png"
    ),
    "git": lambda c: f"git clone git@{_one(c, 'github.com', 'gitlab.com')}:firm/repo{c.randint(1, 99)}.git",
    "no password": lambda c: _one(
        c,
        "password: required, at least 8 characters",
        "password = getpass()",
        "password=${DB_PASS1}",
        "password: str = None",
        "the password is case-sensitive",
        "token = tokens[index + 1]",
        "password = request.form['password1']",
        "Passwort: mindestens 12 Zeichen",
        "key: value",
    ),
    "no key": lambda c: _one(
        c,
        "api_key=YOUR_API_KEY_HERE_123456",
        "api_key = os.environ['OPENAI_API_KEY_2024']",
        "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "AKIAXXXXXXXXXXXXXXXX",
        "secret: the-quick-brown-fox-2",
        "token_count: 128000",
        "access_token: config.auth.token_value_1",
        "Bearer <token>",
    ),
    "blob": lambda c: f"data:image/png;base64,{some(c, BASE62 + '+/', 80)}=",
    "identifier": lambda c: (
        f"{_one(c, 'sku', 'user', 'VIN')} {some(c, 'ABCDEFGHJKLM', 3)}{digits(c, 7)}{some(c, HEX, 4)}"
    ),
}
