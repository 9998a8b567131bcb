"""Labelled texts with made-up personal data and secrets, and texts that only look as if they held some.

Equal seeds give equal texts.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.redaction_lookalikes import LOOKALIKES
from benchmarks.redaction_values import FIRST, LAST, MAKERS

PLACES = (
    "Berlin",
    "Paris",
    "Nairobi",
    "Kyoto",
    "Buenos Aires",
    "Chicago",
    "Oslo",
    "Melbourne",
    "Lagos",
    "Quito",
)
SENTENCES = {
    "email": (
        "Write to {} if anything is missing.",
        "My address is {}, thanks!",
        "Contact: {}",
        "<{}>",
        "From: {}\nTo: us",
        "Bitte schreiben Sie an {}.",
        "mailto:{}",
        '{{"user": "{}", "age": 4}}',
        "Kontakt ({}) oder per Post",
        "id,mail\n7,{}\n",
        "Écrivez-moi à {} demain",
        "| Jones | {} | 30 |",
    ),
    "phone": (
        "You can reach me at {} after six.",
        "{}",
        "My number: {}.",
        "Please note {} for emergencies",
        "Call {} now!",
        "Name: Jones\nPhone: {}\nCity: Rome",
        "WhatsApp {} oder E-Mail",
        "tel:{}",
        "({}), any time",
        "Anna;{};Rome",
    ),
    "national": (
        "Call me on {} tonight.",
        "Phone: {}",
        "Tel. {}",
        "Meine Handynummer ist {}.",
        "Telefon: {}, Fax folgt",
        "My cell is {}, or mail me.",
        "Mon téléphone : {}",
        "Mi teléfono es {}",
        '{{"phone": "{}"}}',
        "For a table dial {} before noon",
        "Contact us at {} between 9 and 5.",
        "Rufen Sie uns an unter {}!",
        "mobile={}",
        "Our office is open; {} is the number.",
        "Any questions? {}",
    ),
    "iban": (
        "IBAN: {}",
        "Please transfer it to {} by Friday.",
        "Mein Konto {} bei der Sparkasse",
        "Account {}, BIC unknown",
        "{} BIC MARKDEF1",
        "iban={};",
        "Virement sur le {}.",
        "Refund to {}\nThank you",
        '{{"iban":"{}"}}',
    ),
    "card": (
        "My card is {}, expiring 04/29.",
        "Visa {}",
        "I paid with {} yesterday.",
        "Card number: {}\nCVV: 123",
        "{}",
        "Kreditkarte {} belasten",
        '{{"card": "{}"}}',
        "charge {} please",
        "cc={}",
    ),
    "ip": (
        "The request came from {}.",
        "ssh root@{}",
        "host {} is down",
        "{} - - [12/Mar/2024] GET /",
        "http://[{}]/x",
        "Blocked IP {}, port 22",
        "Die Adresse {} antwortet nicht",
        "ping {}",
        "X-Forwarded-For: {}",
        "({})",
    ),
    "secret": (
        "export KEY={}",
        "Here it is: {}",
        "{}",
        'client = Client("{}")',
        "curl -H 'Authorization: Bearer {}' x",
        "I accidentally pasted {} in the chat.",
        "token: {}",
        "`{}`",
        "Mein Schlüssel {} geht nicht",
        "<key>{}</key>",
    ),
    "password": (
        "password: {}",
        "My password is {}",
        "DB_PASSWORD={}",
        'password="{}"',
        "Passwort: {}",
        "user=anna pwd={};",
        '{{"username": "anna", "password": "{}"}}',
        "Mein Passwort ist {}\nDanke",
        "<password>{}</password>",
    ),
    "link": ("postgres://anna:{}@db.firm.de/x", "https://bob:{}@intranet:8080/", "redis://:{}@cache:6379"),
    "assigned": (
        "api_key={}",
        'API_KEY = "{}"',
        "client_secret: {}",
        "aws_secret_access_key = {}",
        "'accessToken': '{}'",
        "Authorization: Bearer {}",
        "token={}",
        "x-api-key: {}",
        '"secret": "{}"',
        "--auth-token {}",
    ),
}
# Forms that are what they are by the words around them.
SAID = {
    "national": "national",
    "password": "password",
    "password in a link": "link",
    "assigned": "assigned",
    "assigned hex": "assigned",
}
PERSONS = (
    "My name is {}.",
    "Dear {},\nthank you.",
    "I spoke to {} about it.",
    "{} called twice.",
    "Regards,\n{}",
)
PLACED = (
    "I live in {}.",
    "We flew from {} to the sea.",
    "The office in {} is closed.",
    "{} is lovely in spring.",
)


@dataclass(frozen=True)
class Labelled:
    """A text and the half-open span of the one value in it; kind is None where there is none to find."""

    text: str
    kind: str | None
    form: str
    start: int = 0
    end: int = 0


def positives(seed: int, each: int) -> Iterator[Labelled]:
    """`each` texts of every kind of value that patterns can find."""
    chance = random.Random(seed)  # noqa: S311
    for kind, make in MAKERS.items():
        for _ in range(each):
            form, value = make(chance)
            before, after = _around(chance.choice(SENTENCES[SAID.get(form, kind)]))
            yield Labelled(f"{before}{value}{after}", kind, form, len(before), len(before) + len(value))


def names(seed: int, each: int) -> Iterator[Labelled]:
    """Texts with the name of a person or a place, for the finder that guesses."""
    chance = random.Random(seed)  # noqa: S311
    for kind, said in (("person", PERSONS), ("place", PLACED)):
        for _ in range(each):
            name = (
                f"{chance.choice(FIRST)} {chance.choice(LAST)}" if kind == "person" else chance.choice(PLACES)
            )
            before, after = _around(chance.choice(said))
            yield Labelled(f"{before}{name}{after}", kind, "name", len(before), len(before) + len(name))


def negatives(seed: int, each: int) -> Iterator[Labelled]:
    """`each` texts of every sort of number, name or code that is nobody's."""
    chance = random.Random(seed)  # noqa: S311
    for form, make in LOOKALIKES.items():
        for _ in range(each):
            yield Labelled(make(chance), None, form)


def _around(sentence: str) -> list[str]:
    """What stands before and after the value."""
    return [part.replace("{{", "{").replace("}}", "}") for part in sentence.split("{}")]
