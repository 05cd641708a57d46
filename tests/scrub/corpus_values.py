"""Values that could be somebody's, made anew from a seed: each kind in the forms that people write it in."""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable

from pitchey_slo.scrub.rules.iban import LENGTHS

Make = Callable[[random.Random], str]

FIRST = [
    "anna",
    "bob",
    "carla",
    "dmitri",
    "eoin",
    "fatima",
    "grace",
    "hiro",
    "ines",
    "jonas",
    "kemal",
    "lena",
    "marta",
    "niall",
    "olga",
    "pavel",
    "quinn",
    "rosa",
    "sven",
    "tara",
]
LAST = [
    "murphy",
    "okafor",
    "schmidt",
    "rossi",
    "tanaka",
    "kowalski",
    "garcia",
    "nguyen",
    "larsen",
    "dubois",
    "novak",
    "silva",
    "haddad",
    "byrne",
    "fischer",
]
HOSTS = [
    "example.com",
    "gmail.com",
    "mail.example.co.uk",
    "pitchey.io",
    "tcd.ie",
    "firma-beispiel.de",
    "posteo.net",
    "uni.example.edu",
    "studio-x.film",
]


def digits(r: random.Random, n: int) -> str:
    return "".join(r.choice(string.digits) for _ in range(n))


def letters(r: random.Random, n: int, of: str = string.ascii_letters + string.digits) -> str:
    return "".join(r.choice(of) for _ in range(n))


def email(r: random.Random) -> str:
    first, last = r.choice(FIRST), r.choice(LAST)
    local = r.choice(
        [f"{first}.{last}", f"{first}{r.randint(1, 99)}", f"{first[0]}{last}", f"{first}+{last}", f"{first}_{last}"]
    )
    return f"{local}@{r.choice(HOSTS)}"


def email_idn(r: random.Random) -> str:
    return r.choice(
        ["иван@почта.рф", "jörg@bücher.example", "用户@例子.广告", "rené@société.fr", "a@xn--d1acufc.xn--p1ai"]
    )


def _check_digit(body: str) -> str:
    total = sum(sum(divmod(int(c) * (2 if i % 2 == 0 else 1), 10)) for i, c in enumerate(reversed(body)))
    return body + str(-total % 10)


def card(r: random.Random) -> str:
    start, length = r.choice(
        [
            ("4", 16),
            ("51", 16),
            ("55", 16),
            ("2221", 16),
            ("34", 15),
            ("37", 15),
            ("6011", 16),
            ("3530", 16),
            ("36", 14),
        ]
    )
    return _check_digit(start + digits(r, length - len(start) - 1))


def grouped(number: str, gap: str) -> str:
    sizes = {15: (4, 6, 5), 14: (4, 6, 4)}.get(len(number), (4, 4, 4, 4))
    at, parts = 0, []
    for size in sizes:
        parts.append(number[at : at + size])
        at += size
    return gap.join(parts)


def card_spaced(r: random.Random) -> str:
    return grouped(card(r), r.choice(" -"))


def iban(r: random.Random) -> str:
    country = r.choice(["IE", "DE", "GB", "FR", "NL", "ES", "IT", "PL", "CH", "NO", "BE"])
    bank = letters(r, 4, string.ascii_uppercase) if country in ("IE", "GB", "NL") else ""
    body = bank + digits(r, LENGTHS[country] - 4 - len(bank))
    rest = int("".join(str(int(c, 36)) for c in body + country + "00")) % 97
    number = f"{country}{98 - rest:02d}{body}"
    return number if r.random() < 0.5 else " ".join(number[i : i + 4] for i in range(0, len(number), 4))


def ipv4(r: random.Random) -> str:
    return f"{r.randint(11, 223)}.{r.randint(0, 255)}.{r.randint(0, 255)}.{r.randint(1, 254)}".replace(
        "127.", "126.", 1
    )


def ipv6(r: random.Random) -> str:
    parts = [f"{r.randint(0, 65535):x}" for _ in range(r.choice([2, 3, 4]))]
    return r.choice(
        [
            f"2001:db8:{parts[0]}::{parts[1]}",
            f"2a02:8084:{':'.join(f'{r.randint(1, 65535):x}' for _ in range(6))}",
            f"fe80::{parts[0]}:{parts[1]}",
        ]
    )


def ssn(r: random.Random) -> str:
    gap = r.choice("--- .")
    return f"{r.randint(100, 665)}{gap}{r.randint(1, 99):02d}{gap}{r.randint(1, 9999):04d}"


def phone(r: random.Random) -> str:
    area, middle, last = r.choice(["415", "212", "312", "617", "206"]), f"{r.randint(200, 999)}", digits(r, 4)
    return r.choice(
        [
            f"+1 {area} {middle} {last}",
            f"({area}) {middle}-{last}",
            f"{area}-{middle}-{last}",
            f"+1{area}{middle}{last}",
            f"+353 8{r.choice('3567')} {digits(r, 3)} {digits(r, 4)}",
            f"+4420 7{digits(r, 3)} {digits(r, 4)}",
            f"+49 30 {r.randint(2, 8)}{digits(r, 6)}",
            f"08{r.choice('3567')} {digits(r, 3)} {digits(r, 4)}",
            f"01 4{r.randint(2, 8)} {digits(r, 2)} {digits(r, 2)} {digits(r, 2)}",
            f"+33 6 1{digits(r, 1)} {digits(r, 2)} {digits(r, 2)} {digits(r, 2)}",
        ]
    )


def _b64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def jwt(r: random.Random) -> str:
    head = json.dumps({"alg": r.choice(["HS256", "RS256", "ES256"]), "typ": "JWT"}).encode()
    body = json.dumps({"sub": letters(r, 12), "iat": r.randint(1_700_000_000, 1_800_000_000)}).encode()
    return f"{_b64url(head)}.{_b64url(body)}.{letters(r, 43)}"


def token(r: random.Random) -> str:
    upper = string.ascii_uppercase + string.digits
    return r.choice(
        [
            "AKIA" + letters(r, 16, string.ascii_uppercase + "234567"),
            "ghp_" + letters(r, 36),
            f"xoxb-{digits(r, 12)}-{digits(r, 12)}-{letters(r, 24)}",
            "sk_live_" + letters(r, 24),
            "AIza" + letters(r, 35),
            f"SG.{letters(r, 22)}.{letters(r, 43)}",
            "npm_" + letters(r, 36),
            "glpat-" + letters(r, 20),
            "pypi-AgEIcHlwaS5vcmc" + letters(r, 60),
            "sk-proj-" + letters(r, 48),
            "hvs." + letters(r, 40),
            "ya29." + letters(r, 40),
            "dapi" + letters(r, 32, "0123456789abcdef"),
            "NRAK-" + letters(r, 27, upper),
        ]
    )


def password(r: random.Random) -> str:
    return r.choice(
        [
            letters(r, 12),
            f"{r.choice(FIRST)}{r.randint(1970, 2026)}!",
            "".join(r.choice(FIRST) for _ in range(2)) + "#7",
            letters(r, 8, string.ascii_lowercase),
            letters(r, 32, "0123456789abcdef"),
        ]
    )


def credentials(r: random.Random) -> str:
    return f"{r.choice(FIRST)}:{letters(r, 12)}"


def pem(r: random.Random) -> str:
    kind = r.choice(["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "CERTIFICATE"])
    return f"-----BEGIN {kind}-----\n" + "\n".join(letters(r, 64) for _ in range(3)) + f"\n-----END {kind}-----"


def name(r: random.Random) -> str:
    return r.choice(FIRST).title()


def user_id(r: random.Random) -> str:
    return r.choice([digits(r, 6), f"u_{letters(r, 8)}", f"{r.choice(FIRST)}.{r.choice(LAST)}"])
