"""`key=value`, `key: value`, `"key": "value"` and `?key=value` in a text: the key's name says what the value is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pitchey_slo.scrub.found import Found
from pitchey_slo.scrub.names import Kind, Names, kind_of, nothing, phrases, words

#: What may stand between a name and its value.
_BETWEEN: Final = r"[\"'`\]\\]*[ \t]*(?:=>|:=|[:=])"


def gates(own: Names) -> tuple[str, ...]:
    """A name that says something, some of its later words, and a sign: made from the lists of names."""
    secret, personal = phrases()
    return (
        rf"(?i)(?:{'|'.join(map(_loose, (*secret, *own.secret)))})[\w\-.]*{_BETWEEN}",
        rf"(?i)(?:{'|'.join(map(_loose, (*personal, *own.personal)))})[0-9]*{_BETWEEN}",
    )


def _loose(phrase: str) -> str:
    """The words of a phrase in any case style."""
    return r"[_\-. ]?".join(words(phrase))


_KEY: Final = re.compile(
    r"([\w.\-](?<![\w.\-].)[\w.\-]{0,127}+(?:\[[\w.\-]{0,64}\]){0,3}+)"
    r"[\"'`\\]{0,12}+[ \t]{0,3}+(=>|:=|[:=])(?![=/])[ \t]{0,3}+"
)
_INNER: Final = re.compile(r"[\w.\-]+")
_QUOTED: Final = re.compile(r"\\{0,32}([\"'`])((?:\\[^\"'`]|(?!\1)[^\\]){0,8192})(?:\\{0,32}\1|$)", re.DOTALL)
_DOUBLE: Final = re.compile(r'"((?:[^"\\]|\\.){0,8192})(?:"|$)', re.DOTALL)
_SINGLE: Final = re.compile(r"'((?:[^'\\]|\\.){0,8192})(?:'|$)", re.DOTALL)
_ESCAPED: Final = re.compile(r"(\\{1,32}[\"'])(.{0,8192}?)(?:\1|$)", re.DOTALL)
_LIST: Final = re.compile(r"\[[^\[\]]{0,4096}(?:\]|$)")
_BARE: Final = re.compile(r"[^\s&\"'<>`\\]{1,4096}(?:\\(?![\"'nrt])[^\s&\"'<>`\\]{1,4096}){0,16}")
_ENDS: Final = re.compile(r"[,;](?=$|\s|[\w.\-]{1,64}[=:])|[)\]}]+[,;.]?$|[,;.]+$")
#: What this room writes in place of a value.
OURS: Final = re.compile(r"\[[a-z_0-9]{1,64}\]|[a-z_0-9]{1,64}:[0-9a-f]{16}")
_VERSION: Final = re.compile(r"v?[0-9]{1,5}(?:\.[0-9]{1,5}){1,3}(?:[-+][\w.]{1,16})?")
_CALL: Final = re.compile(r"(?:await |new )?[A-Za-z_][\w.]*\(")
_HASHED: Final = re.compile(r"[a-z_0-9]{1,64}:[0-9a-f]{16}(?![0-9A-Za-z])")


def find(text: str, own: Names) -> Iterator[Found]:
    last = 0
    for match in _KEY.finditer(text):
        if match.start() < last or _HASHED.match(text, match.start()):
            continue  # stands in a value that goes anyway, or is what is left of one
        name = _name(match[1])
        kind = kind_of(name, own)
        if kind is None:
            continue
        span = _value(text, match.end())
        if span is None:
            continue
        start, end, quoted = span
        value = text[start:end]
        if value and _counts(value, kind, match[2], quoted, text, end) and not OURS.fullmatch(value):
            last = end
            yield Found(start, end, "personal_key" if kind == "personal" else "secret_key", value)


def _name(key: str) -> str:
    """`user[password]` is about a password, and so is `data.user.password`."""
    parts = _INNER.findall(key)
    return parts[-1].strip(".-") if parts else key


def _value(text: str, at: int) -> tuple[int, int, bool] | None:
    """Start, end and whether quoted."""
    lead = text[at : at + 1]
    if lead == '"' or lead == "'":
        match = (_DOUBLE if lead == '"' else _SINGLE).match(text, at)
        return (match.start(1), match.end(1), True) if match else None
    if lead == "\\":
        match = _ESCAPED.match(text, at)
        if match:
            return match.start(2), match.end(2), True
    if lead == "[":
        match = _LIST.match(text, at)
        if match and not OURS.match(match.group()):
            return match.start() + 1, match.end() - match.group().endswith("]"), True
        return None
    if lead in ("{", ""):
        return None
    match = _BARE.match(text, at)
    if match is None:
        return None
    stop = _ENDS.search(text, at, match.end())
    end = stop.start() if stop and stop.start() > at else match.end()
    return at, end, False


def _counts(value: str, kind: Kind, sign: str, quoted: bool, text: str, end: int) -> bool:
    if nothing(value) or (kind != "personal" and len(value) < 2):
        return False  # a flag, not a secret
    if not quoted and _CALL.match(value):
        return False  # a line of code, such as tracebacks show
    if quoted or sign != ":":
        return kind != "weak" or looks_secret(value)
    if kind == "secret":
        return value.lower() != value or any(not c.isalpha() for c in value) or not _prose(text, end)
    if kind == "personal":
        return any(c.isdigit() or c == "@" for c in value) or not _prose(text, end)
    return looks_secret(value)


def looks_secret(value: str) -> bool:
    """Digits among letters, or long: not a word, a small number or a version."""
    if value.isdigit():
        return len(value) >= 6
    if any(c.isdigit() for c in value):
        return not _VERSION.fullmatch(value)
    return len(value) >= 16 and (value.lower() != value or not value.isalpha())


def _prose(text: str, end: int) -> bool:
    """True when words go on after the value: "password: must have eight letters"."""
    rest = text[end : end + 24]
    return rest[:1] == " " and rest[1:2].isalpha() and "=" not in rest.partition(" ")[2].partition(" ")[0]
