"""Names of fields: which say that their value is a secret or about a person, in whatever case they are written."""

from __future__ import annotations

import functools
import re
import tomllib
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pitchey_slo.scrub.unfold import plain

Kind = Literal["secret", "weak", "personal"]
_WORD: Final = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+|[^\W\d_]+")
LONGEST: Final = 128


@dataclass(frozen=True)
class Names:
    """Fields of one's own beside those of keys.toml, in any case style; `keep` are left alone."""

    secret: tuple[str, ...] = ()
    personal: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()


def words(name: str) -> tuple[str, ...]:
    """The words of a name.

    >>> words("userPassword"), words("X-API-Key"), words("HTTPServer_2")
    (('user', 'password'), ('x', 'api', 'key'), ('http', 'server', '2'))
    """
    return tuple(w.lower() for w in _WORD.findall(plain(unicodedata.normalize("NFKC", name[:LONGEST]))))


@functools.lru_cache(maxsize=16_384)
def kind_of(name: str, own: Names = Names()) -> Kind | None:
    """What the name says of its value: "secret", "weak" (a secret where the value looks like one), "personal", or None.

    >>> kind_of("userPassword"), kind_of("client-ip"), kind_of("max_tokens"), kind_of("route")
    ('secret', 'personal', None, None)
    """
    given = words(name)
    if not given:
        return None
    plain_name = " ".join(given)
    if plain_name in _normal(own.keep):
        return None
    if plain_name in _normal(own.secret):
        return "secret"
    if plain_name in _normal(own.personal):
        return "personal"
    return _known(given)


def phrases() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Phrases of secrets, and of what is about a person; shorter ones that stand in others once."""
    lists = _lists()
    secret = {*lists.secret, *lists.stems, *lists.weak - lists.personal - {"key"}}
    return tuple(sorted(secret)), tuple(sorted(lists.personal))


def infrastructure(name: str) -> bool:
    """True when a field of that name says which machine: it may hold an address."""
    given = words(name)
    return bool(given) and (given[-1] in _lists().infrastructure or given[0] in _lists().infrastructure)


def structural(name: str) -> bool:
    return name in _lists().structural


def nothing(value: str) -> bool:
    """True for a value that is none: `null`, `true`, `missing`, stars, a placeholder."""
    bare = value.strip(" \t.,;:!)('\"\\")
    return (
        bare.lower() in _lists().nothing
        or bare.startswith(("${", "$(", "{{"))
        or not any(c.isalnum() for c in bare)
        or bool(_PLACEHOLDER.fullmatch(bare))
    )


_PLACEHOLDER: Final = re.compile(
    r"\$\{?[\w.:\-]{1,128}\}?|\{\{?[^{}]{1,128}\}?\}|<[^<>]{1,128}>|%\w|%\([\w]{1,64}\)s"
    r"|:\w{1,64}\??|x{3,}|\[[\w ]{1,40}\]|\(\w{1,40}\)"
)


@dataclass(frozen=True)
class _Lists:
    secret: frozenset[str]
    personal: frozenset[str]
    weak: frozenset[str]
    stems: tuple[str, ...]
    about: frozenset[str]
    before: frozenset[str]
    infrastructure: frozenset[str]
    structural: frozenset[str]
    nothing: frozenset[str]


@functools.cache
def _lists() -> _Lists:
    given = tomllib.loads((Path(__file__).parent / "keys.toml").read_text(encoding="utf-8"))
    sets = {name: frozenset(listed) for name, listed in given.items() if name != "stems"}
    return _Lists(stems=tuple(given["stems"]), **sets)


@functools.lru_cache(maxsize=64)
def _normal(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(" ".join(words(name)) for name in names)


def _known(given: tuple[str, ...]) -> Kind | None:
    lists = _lists()
    if sum(word.isdigit() for word in given) > 1:
        return None  # a package and its version: libsecret-1-0
    given = given[:-1] if len(given) > 1 and given[-1].isdigit() else given
    whole = " ".join(given)
    best: Kind | None = None
    for length in range(min(4, len(given)), 0, -1):
        for first in range(len(given) - length + 1):
            phrase, last = " ".join(given[first : first + length]), first + length == len(given)
            if not last and given[-1] in lists.about and whole not in lists.secret | lists.personal:
                continue
            if phrase in lists.weak and (given[0] in lists.before or best == "secret"):
                continue
            if phrase in lists.secret and phrase not in lists.weak:
                return "secret" if given[0] not in lists.before else None
            if phrase in lists.personal and _of_a_person(given, first, last, phrase):
                best = best or "personal"
            elif phrase in lists.weak and phrase != "key" and best is None:
                best = "weak"
    if best is None and (given[-1] not in lists.about or len(given) == 1):
        stem = next((s for s in lists.stems if s in "".join(given)), None)
        return "secret" if stem and not any("".join(given).endswith(stem + a) for a in lists.about) else None
    return best


def _of_a_person(given: tuple[str, ...], first: int, last: bool, phrase: str) -> bool:
    """False for `pod_ip` and `smtp_mail_host`: a machine's."""
    return last and not any(w in _lists().infrastructure for w in given[:first]) and phrase not in ("tin", "sid")
