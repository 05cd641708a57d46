"""Log lines that look real: clean ones, and ones with a value planted, plain or in disguise. All from a seed.

Two halves. What `held=False` makes may be looked at while rules are changed; `held=True` has other lines, other names
of fields and other seeds, and is only counted.
"""

from __future__ import annotations

import base64
import json
import random
import tomllib
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from tests.scrub import corpus_values as v


class Case(NamedTuple):
    """`text` with `planted` in it as it is written there; `kind` of value, `disguise` ("plain" for none)."""

    kind: str
    disguise: str
    text: str
    planted: str


_LINES: dict[str, dict[str, list[str]]] = tomllib.loads((Path(__file__).parent / "corpus.toml").read_text("utf-8"))
MAKERS: dict[str, tuple[v.Make, ...]] = {
    "email": (v.email, v.email, v.email_idn),
    "phone": (v.phone,),
    "card": (v.card, v.card_spaced),
    "iban": (v.iban,),
    "ip": (v.ipv4, v.ipv4, v.ipv6),
    "ssn": (v.ssn,),
    "jwt": (v.jwt,),
    "token": (v.token,),
    "authorization": (v.password,),
    "cookie": (v.password,),
    "pem": (v.pem,),
    "url_credentials": (v.credentials,),
    "secret_key": (v.password,),
    "personal_key": (v.name,),
}

_ZERO = "\u200b"
_WIDE = {i: i + 0xFEE0 for i in range(0x21, 0x7F)}
_ARABIC = {ord("0") + i: 0x660 + i for i in range(10)}
_LOOK = str.maketrans("aeocpx", "аеосрх")


def _percent(text: str) -> str:
    return "".join(f"%{b:02X}" if chr(b) in "@ +:/" or not chr(b).isalnum() else chr(b) for b in text.encode())


def _split(text: str) -> str:
    return text[: len(text) // 2] + _ZERO + text[len(text) // 2 :]


def _b64(text: str) -> str:
    return base64.b64encode(f"value {text}".encode()).decode()


def _entity(text: str) -> str:
    return "".join(f"&#{ord(c)};" if c in "@.-+ " or i == 1 else c for i, c in enumerate(text))


def _nested(text: str, depth: int) -> str:
    for _ in range(depth):
        text = json.dumps({"data": text})
    return text


#: disguise -> what it does to a value; None where the line itself is the disguise
DISGUISES: dict[str, tuple[Callable[[str], str], tuple[str, ...]]] = {
    "percent": (_percent, ("email", "phone", "card", "iban", "jwt")),
    "percent twice": (lambda t: quote(_percent(t), safe=""), ("email", "phone", "iban")),
    "percent, all": (lambda t: "".join(f"%{b:02x}" for b in t.encode()), ("email", "card", "ssn", "phone")),
    "entity": (_entity, ("email", "phone", "ssn", "ip")),
    "full width": (lambda t: t.translate(_WIDE), ("email", "card", "ssn", "phone", "ip")),
    "arabic digits": (lambda t: t.translate(_ARABIC), ("card", "ssn", "phone")),
    "zero width": (_split, ("email", "card", "iban", "ssn", "token", "phone")),
    "nbsp": (lambda t: t.replace(" ", "\u00a0"), ("card", "phone", "iban")),
    "base64": (_b64, ("email", "card", "iban", "ssn", "jwt", "phone", "token")),
    "look-alike": (lambda t: t.translate(_LOOK), ("email",)),
    "json": (lambda t: _nested(t, 1), ("email", "card", "iban", "phone", "ssn", "token")),
    "json in json": (lambda t: _nested(t, 3), ("email", "card", "iban", "phone", "ssn", "token")),
    "unicode escape": (
        lambda t: "".join(f"\\u{ord(c):04x}" if c in "@.- " else c for c in t),
        ("email", "ssn", "phone"),
    ),
}
_SEEN_KEYS = (
    *("password", "userPassword", "user-password", "USER_PASSWORD", "api_key"),
    *("apiKey", "clientSecret", "access-token", "sessionId"),
)
_HELD_KEYS = (
    *("passwd", "newPassword", "old-password", "ADMIN_PASSWORD", "secret_key"),
    *("privateKey", "authToken", "x-csrf-token", "cardNumber"),
)
#: lines in which a field's name is the only sign, itself disguised
_FIELDS: dict[str, Callable[[str, str], str]] = {
    "json": lambda k, x: json.dumps({k: x, "n": 1}),
    "escaped json": lambda k, x: f'body={json.dumps(json.dumps({k: x, "n": 1}))}',
    "escaped twice": lambda k, x: f'msg={json.dumps(json.dumps(json.dumps({k: x})))}',
    "json in json": lambda k, x: _nested(json.dumps({k: x}), 2),
    "percent": lambda k, x: f"GET /a?{quote(json.dumps({k: x}))} 200",
    "query": lambda k, x: f"GET /a?x=1&{k}={quote(x)}&y=2 200",
    "entity": lambda k, x: f"{{&quot;{k}&quot;: &quot;{x}&quot;}}",
    "base64": lambda k, x: "Event " + base64.b64encode(json.dumps({k: x}).encode()).decode(),
    "look-alike": lambda k, x: f"{k.translate(_LOOK)}={x}",
    "zero width": lambda k, x: f"{_split(k)}={x}",
    "single quotes": lambda k, x: f"{{'{k}': '{x}', 'n': 1}}",
}  # fmt: skip
_CARD_GAPS = {"dots": ".", "line break": "\n", "escaped line break": "\\n"}


def planted(count: int, *, seed: int, held: bool) -> Iterator[Case]:
    """`count` lines for each kind and for each disguise of it."""
    r = random.Random(f"{seed} {held}")
    for kind, makers in MAKERS.items():
        lines = _LINES[kind]["held" if held else "seen"]
        for _ in range(count):
            value = r.choice(makers)(r)
            yield Case(kind, "plain", r.choice(lines).format(value), value)
        for disguise, (change, kinds) in DISGUISES.items():
            for _ in range(count if kind in kinds else 0):
                value = makers[0](r)
                text = change(value)
                if disguise.startswith("json"):
                    yield Case(kind, disguise, text, value)
                else:
                    yield Case(kind, disguise, r.choice(lines).format(text), text)
    for disguise, line in _FIELDS.items():
        for _ in range(count):
            value = r.choice((v.letters(r, 12), f"{r.choice(v.FIRST)}{r.randint(1970, 2026)}"))
            yield Case("secret_key", disguise, line(r.choice(_HELD_KEYS if held else _SEEN_KEYS), value), value)
    for disguise, gap in _CARD_GAPS.items():
        for _ in range(count):
            value = v.grouped(v.card(r), gap)
            yield Case("card", disguise, r.choice(_LINES["card"]["held" if held else "seen"]).format(value), value)


def _clean_values(r: random.Random) -> dict[str, str]:
    """What stands in log lines and is nobody's."""
    epoch, hexes, routes = r.randint(1_700_000_000, 1_800_000_000), "0123456789abcdef", _LINES["clean"]["routes"]
    day = f"2026-{r.randint(1, 12):02d}-{r.randint(1, 28):02d}"
    clock = f"{r.randint(0, 23):02d}:{r.randint(0, 59):02d}:{r.randint(0, 59):02d}"
    return {
        "ts": f"{day}T{clock}.{r.randint(0, 999):03d}Z",
        "day": day,
        "clock": clock,
        "ms": f"{r.uniform(0.1, 9000):.{r.randint(0, 4)}f}",
        "n": str(r.randint(0, 10 ** r.randint(1, 9))),
        "small": str(r.randint(0, 99)),
        "trace": v.letters(r, 32, hexes),
        "span": v.letters(r, 16, hexes),
        "uuid": str(uuid.UUID(int=r.getrandbits(128), version=4)),
        "sha": v.letters(r, 40, hexes),
        "sha256": v.letters(r, 64, hexes),
        "epoch": str(epoch),
        "epoch_ms": str(epoch * 1000 + r.randint(0, 999)),
        "epoch_ns": str(epoch * 10**9 + r.randint(0, 10**9)),
        "version": f"{r.randint(0, 20)}.{r.randint(0, 40)}.{r.randint(0, 99)}",
        "build": f"{r.randint(1, 120)}.0.{r.randint(0, 6999)}.{r.randint(0, 199)}",
        "price": f"{r.randint(1, 99_999) / 100:.2f}",
        "money": f"{r.randint(1, 9_999_999):,}",
        "pct": f"{r.uniform(0, 100):.2f}",
        "status": r.choice(["200", "201", "204", "301", "400", "404", "429", "500", "503"]),
        "route": r.choice(routes),
        "id": str(r.randint(1, 10**7)),
        "ray": v.letters(r, 16, hexes) + "-" + r.choice(["FRA", "DUB", "LHR"]),
        "float": repr(r.random()),
        "snow": str(r.getrandbits(62)),
        "host": r.choice(["db-1", "worker-7f9c", "ip-10-0-3-17", "cache.internal"]),
        "bytes": str(r.randint(10, 10**8)),
        "order": f"ORD-{r.randint(2020, 2026)}-{r.randint(1, 999_999):06d}",
    }


def clean(count: int, *, seed: int, held: bool) -> Iterator[str]:
    """`count` lines without anything of anybody."""
    r = random.Random(f"clean {seed} {held}")
    lines = _LINES["clean"]["held" if held else "seen"]
    for _ in range(count):
        yield r.choice(lines).format(**_clean_values(r))


def gone(case: Case, after: str) -> bool:
    """True when nothing long of the planted value is left."""
    keep = max(4, -(-len(case.planted) * 6 // 10))
    return not any(case.planted[i : i + keep] in after for i in range(max(1, len(case.planted) - keep + 1)))
