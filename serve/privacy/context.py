"""What the words before a number say it is: somebody's telephone, or a thing with a number."""

from __future__ import annotations

import re
from typing import Literal

Meaning = Literal["telephone", "card", "thing"]

# Words of the languages that our users write, as patterns; the last one before the number decides.
_TELEPHONE = r"""
phone|telephone|cellphone|tel|cell|mobile|mob|fax|call|called|calling|dial|ring|whats ?app|sms|hotline
landline|helpline|voicemail|contact(?:ed)?|reach(?:ed)? (?:me|us|him|her|them|you)|text (?:me|us|him|her)
my number is|telefon\w*|handy\w*|rufnummer|mobil\w*|anruf\w*|rufen|erreich\w+|durchwahl|festnetz|rückruf\w*
téléphone|portable|appel\w*|joindre|joignable|teléfono|móvil|llam\w+|celular|telefone|telemóvel|ligue|telefono
cellulare|chiam\w+|telefoon\w*|bel|gsm|numer telefonu|zadzwo\w+|тел|телефон\w*|звон\w+
"""
_CARD = r"""
card|credit|debit|visa|mastercard|master card|amex|american express|discover|jcb|diners|maestro
kreditkart\w*|karte\w*|carte|tarjeta|carta|cartão
"""
_THING = r"""
order|orders|invoice|case|ticket|ref|reference|tracking|serial|part|sku|isbn|issn|ean|upc|gtin|vin|barcode
asin|pmid|doi|imei|account|acct|customer (?:no|nr|id|number)|booking|confirmation|shipment|parcel|id|patent
model|version|build|zip|flight|article|product|policy|claim|registration|batch|lot|license|licence
transaction|receipt|membership|incident|commit|revision|timestamp|epoch|seed|passport|ssn|social security
tax|vat|iban|bic|routing|swift|contract|quote|docket|bestell\w*|auftrag\w*|rechnung\w*|kundennummer
vorgang\w*|aktenzeichen|sendung\w*|artikel\w*|seriennummer|commande|facture|dossier|colis|pedido|factura
expediente|fattura|ordine|pratica|fatura|encomenda
"""


def _words(lines: str) -> str:
    return "|".join(lines.split("\n")[1:-1])


_SPOKEN = re.compile(
    rf"(?i)(?<![^\W_])(?:(?P<telephone>{_words(_TELEPHONE)})|(?P<card>{_words(_CARD)})"
    rf"|(?P<thing>{_words(_THING)}))"
    r"(?:[ _]?(?:numbers?|nummer|no|nr|id))?(?![^\W\d_])"
)
# In scripts that put no blank between words.
_UNSPACED = re.compile("电话|電話|手机|手機|携帯|전화|โทร|هاتف|جوال|फ़ोन|फोन|טלפון")
_REACH = 48


def meaning_before(text: str, at: int) -> Meaning | None:
    """What the nearest telling word in the 48 characters before `at` says of the number there."""
    window = text[max(0, at - _REACH) : at]
    last = None
    for match in _SPOKEN.finditer(window):
        last = match
    unspaced = max((match.end() for match in _UNSPACED.finditer(window)), default=-1)
    if last is None or unspaced > last.start():
        return "telephone" if unspaced >= 0 else None
    return last.lastgroup  # type: ignore[return-value]  # the names of the groups are the meanings
