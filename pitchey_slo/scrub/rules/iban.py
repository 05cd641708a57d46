"""International bank account numbers (ISO 13616): the country's length, and the remainder 1 of 97."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pitchey_slo.scrub.found import Found

#: Length by country, from the registry of SWIFT (release 99, 2024).
_REGISTRY: Final = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 "
    "EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 "
    "IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 "
    "NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 "
    "SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30 "
)
LENGTHS: Final = {entry[:2]: int(entry[2:]) for entry in _REGISTRY.split()}
_COUNTRIES: Final = "|".join(LENGTHS)
GATES: Final = (rf"(?i)(?:^|[^0-9A-Z\-])(?:{_COUNTRIES})[0-9]{{2}}[ .\-]?[0-9A-Z]{{4}}[ .\-]?[0-9A-Z]{{3}}",)

_START: Final = re.compile(r"(?<![0-9A-Za-z\-])([A-Za-z]{2})[0-9]{2}(?=[ .\-\u00a0\n]?[0-9A-Za-z]{4})")
_GAPS: Final = " .-\u00a0\n"


def find(text: str) -> Iterator[Found]:
    for start in _START.finditer(text):
        found = _from(text, start.start()) if start[1].upper() in LENGTHS else None
        if found is not None:
            yield found


def _from(text: str, start: int) -> Found | None:
    """The IBAN that begins here: as many letters and digits as its country wants, single gaps between them."""
    want = LENGTHS[text[start : start + 2].upper()]
    number, at, gap, small = "", start, False, text[start].islower()
    while len(number) < want and at < len(text):
        c = text[at]
        if c.isascii() and c.isalnum() and (c.isdigit() or c.islower() == small):
            number, gap = number + c.upper(), False
        elif c in _GAPS and not gap:
            gap = True
        else:
            return None
        at += 1
    if len(number) < want or (at < len(text) and text[at].isalnum()):
        return None
    return Found(start, at, "iban", number) if is_iban(number) else None


def is_iban(number: str) -> bool:
    """True when letters and digits leave 1 of 97 and the account has digits (a word never is one).

    >>> is_iban("GB82WEST12345698765432"), is_iban("GB82WEST12345698765433")
    (True, False)
    """
    if LENGTHS.get(number[:2]) != len(number) or sum(c.isdigit() for c in number) < 7:
        return False
    return int("".join(str(int(c, 36)) for c in number[4:] + number[:4])) % 97 == 1
