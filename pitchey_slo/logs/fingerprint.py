"""What a log line says, whatever it says it about: its template, and a fingerprint that lines of one saying share.

    template("user 4711 not found in /srv/db/eu-1")        ->  "user <*> not found in <*>"
    fingerprint("user 4711 not found in /srv/db/eu-1")     ->  16 hex digits, the same for user 12 in /srv/db/us-3

Parameters are what differs between lines of one statement in the code: numbers with their units, ids (UUIDs, hex, words
of letters and digits mixed), times, addresses, e-mail, URLs, paths, quoted text, and what scrubbing puts in place of
personal data (`[email]`, `email:3f2a...`). Words stay, so that "refused" and "timed out" are two sayings. A stack trace
(Python, JavaScript and TypeScript, Java) is told by its error's class and its frames, functions with their files but
without line numbers, so that a release that moves lines does not make a new error of an old one.

Templates depend on the line alone, never on those before it: the same line has the same fingerprint in every process.
Patterns are linear in time (RE2 for columns; the standard library's `re` reads the very same ones for one line).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ANY", "fill", "fingerprint", "template", "templates"]

#: Stands for a parameter; drain3 writes the same.
ANY: Final = "<*>"
#: Characters of a line that are looked at: what a line says, it says at its beginning.
LONGEST: Final = 1_000
#: Frames of a stack trace that are looked at, the innermost first.
FRAMES: Final = 30

#: What scrubbing writes in place of a find: its rules' names (`pitchey_slo.scrub.policy.RULES`, and three more).
_SCRUBBED: Final = (
    "authorization|card|cookie|email|failed|iban|ip|jwt|pem|person|phone|scrub_failed|secret|ssn|token|url_credentials"
)
_DAY: Final = "Mon|Tue|Wed|Thu|Fri|Sat|Sun"
_MONTH: Final = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"

#: `"GET /path HTTP/1.1"` keeps its verb, `"key":` its name: neither is quoted text.
_REQUEST: Final = r'"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|TRACE|CONNECT) [^"\n]*"'
_KEY: Final = r'"([A-Za-z_][\w.-]*)"[ ]?:'
#: Everything that is a parameter, tried in this order at each place. No look-around: RE2 has none.
_PARAMETER: Final = "|".join(
    [
        r'"[^"\n]*"',
        r"`[^`\n]*`",
        r"\B'[^'\n]+'\B",  # not the apostrophe of "can't"
        rf"\[(?:{_SCRUBBED})\]",
        rf"\b(?:{_SCRUBBED}):[0-9a-f]{{8,}}(?:…|\.\.\.)?",
        r"\b[A-Za-z][A-Za-z0-9+.-]*://[^ \t\n\"'<>)\]]+",
        r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
        rf"\b(?:(?:{_DAY}),? )?(?:{_MONTH}) +\d{{1,2}}(?:,? \d{{4}})?(?:,? \d\d:\d\d(?::\d\d)?)?(?: \d{{4}})?\b",
        rf"\b(?:{_DAY}), \d{{1,2}} (?:{_MONTH}) \d{{4}}(?: \d\d:\d\d(?::\d\d)?)?(?: (?:GMT|UTC|[+-]\d{{4}}))?",
        r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b",
        r"\b[0-9a-fA-F]{1,4}(?:::?[0-9a-fA-F]{1,4}){3,7}\b",
        r"\b(?:[0-9a-f]{8,}|[0-9A-F]{8,})\b",
        r"\B~?/[\w./@%+=:~$,-]+",
        r"\b[A-Za-z]:\\[^ \t\n\"']+",
        r"\b[\w.-]+(?:/[\w.@%+=~-]+){2,}",
        r"\b[A-Za-z0-9+/_=-]{40,}",
        r"\b(?:acct|ch|cs|cus|evt|pi|pm|seti|tok|txn)_[A-Za-z0-9]{14,}\b",  # Stripe's ids may lack any digit
        r"\b[A-Za-z_-]*\d+[A-Za-z_-]+\d[\w-]*",  # letters and digits mixed: ids; of jk2 and md5 the letters stay
        r"\b[A-Za-z_-]{6,}\d+[A-Za-z][\w-]*",
        r"\b[A-Za-z_-]*\d[A-Za-z]{5,}[\w-]*",
        r"[+-]?\d[\w.:,%+-]*\w%?",
        r"[+-]?\d%?",
    ]
)
#: Parameters side by side, and lists of them, are one: how many there were is a parameter too.
_TOGETHER: Final = r"<\*>(?:(?:, ?|; ?|[ ]?[|/:=+-]+[ ]?)?<\*>)+"
_SPACE: Final = r"[ \t\r\n]+"

_request, _key, _parameter, _together, _space = (
    re.compile(pattern, re.ASCII) for pattern in (_REQUEST, _KEY, _PARAMETER, _TOGETHER, _SPACE)
)

#: Python: `File "/srv/app/pay.py", line 12, in charge`
_PYTHON: Final = re.compile(r'^ *File "([^"]+)", line \d+(?:, in (.+))?$', re.MULTILINE)
#: V8 and Java: `at async charge (src/pay.ts:88:21)`, `at src/pay.ts:88:21`, `at com.a.Pay.charge(Pay.java:12)`
_AT: Final = re.compile(r"^ +at (?:async |new )*(?:([^\n(]+?) ?\(([^()\n]*)\)|([^\s()]+:\d+))$", re.MULTILINE)
#: Firefox and Safari: `charge@https://host/pay.js:88:21`
_GECKO: Final = re.compile(r"^([^@\s]*)@(\S+?):\d+(?::\d+)?$", re.MULTILINE)
_ERROR: Final = re.compile(r"^(?:Uncaught |Exception in thread \S+ )?([A-Za-z_$][\w.$]*)(?=: |$)", re.ASCII)
_PLACE: Final = re.compile(r"(?::\d+)+$")
#: Parts of a path that say where code of others lies.
_OTHERS: Final = ("node_modules", "site-packages", "dist-packages", "node:", "internal/", "<frozen", "lib/python")


def template(message: str) -> str:
    """The line with `<*>` for its parameters, on one line. A stack trace gives its error and the frame it came from.

    >>> template("can't open '/srv/a.txt' for user 17: 3 of 5 tries in 12.5ms")
    "can't open <*> for user <*>: <*> of <*> tries in <*>"
    """
    trace = _trace(message)
    if trace is not None:
        return trace.template
    return _masked(message)


def fingerprint(message: str, error_type: str | None = None, logger: str | None = None) -> str:
    """16 hex digits, the same for all lines that say the same: of one logger and error type, with one template.

    For a stack trace it is the error's class and the frames; the message, the logger and line numbers do not count.

    >>> fingerprint("no answer from 10.0.0.1:5432") == fingerprint("no answer from 10.0.0.2:5433")
    True
    >>> fingerprint("no answer from 10.0.0.1") == fingerprint("no answer", logger="db")
    False
    """
    trace = _trace(message)
    if trace is not None:
        return _digest(trace.key(error_type))
    return _digest(_key_of(logger, error_type, _masked(message)))


def templates(messages: pa.Array) -> pa.Array:
    """`template` of each text of a column; the same answers, at hundreds of thousands of lines a second."""
    import pyarrow as pa
    import pyarrow.compute as pc

    coded = _plain(messages).dictionary_encode()
    whole = pa.array([None if m is None else _finished(m) for m in coded.dictionary.to_pylist()], pa.string())
    found = whole.take(coded.indices)
    stacked = pc.match_substring(messages, "\n").fill_null(False)
    if not pc.any(stacked).as_py():
        return found
    several = messages.filter(stacked).dictionary_encode()
    told = pa.array([template(text) for text in several.dictionary.to_pylist()], pa.string())
    return pc.replace_with_mask(found, stacked, told.take(several.indices))


def fill(rows: pa.Table) -> pa.Table:
    """The rows of a `logs` table with a fingerprint where none was given; the others keep theirs.

    The same answers as `fingerprint(message, error_type, logger)`. Where `attributes` hold a stack trace
    (`exception.stacktrace`, `stack`, `stacktrace`), that is what counts.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    given = rows["fingerprint"].combine_chunks()
    if not given.null_count:
        return rows
    missing = given.is_null()
    some = rows if given.null_count == len(given) else rows.filter(missing)
    made = _fingerprints(*(some[name].combine_chunks() for name in ("message", "error_type", "logger", "attributes")))
    if some is not rows:
        made = pc.replace_with_mask(given, missing, made)
    return rows.set_column(rows.schema.get_field_index("fingerprint"), "fingerprint", pa.chunked_array([made]))


def _fingerprints(messages: pa.Array, errors: pa.Array, loggers: pa.Array, attributes: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    coded = _plain(messages).dictionary_encode()
    finished = [None if text is None else _finished(text) for text in coded.dictionary.to_pylist()]
    plain = pa.array(finished, pa.string()).take(coded.indices)
    key = pc.binary_join_element_wise(loggers.fill_null(""), errors.fill_null(""), plain, "\x1f").dictionary_encode()
    digests = [None if text is None else _digest(text) for text in key.dictionary.to_pylist()]
    made = pa.array(digests, pa.string()).take(key.indices)
    inside = pc.match_substring(attributes, "stack").fill_null(False)
    stacked = pc.or_(pc.match_substring(messages, "\n").fill_null(False), inside)
    if not pc.any(stacked).as_py():
        return made
    known: dict[tuple[str | None, ...], str] = {}
    told = []
    columns = (column.filter(stacked).to_pylist() for column in (messages, errors, loggers, attributes))
    for row in zip(*columns, strict=True):
        if row not in known:
            message, error, logger, more = row
            known[row] = fingerprint(_stack_of(more) or message or "", error, logger)
        told.append(known[row])
    return pc.replace_with_mask(made, stacked, pa.array(told, pa.string()))


def _plain(messages: pa.Array) -> pa.Array:
    """Parameters taken out of a column by RE2; what is left to do is little, and done once per different text."""
    import pyarrow.compute as pc

    if len(messages) and (pc.max(pc.binary_length(messages)).as_py() or 0) > LONGEST:
        messages = pc.utf8_slice_codeunits(messages, 0, LONGEST)
    if pc.any(pc.match_substring(messages, '"')).as_py():
        messages = pc.replace_substring_regex(messages, _REQUEST, rf"\1 {ANY}")
        messages = pc.replace_substring_regex(messages, _KEY, r"\1:")
    return pc.replace_substring_regex(messages, _PARAMETER, ANY)


def _masked(message: str) -> str:
    text = message[:LONGEST]
    if '"' in text:
        text = _key.sub(r"\1:", _request.sub(rf"\1 {ANY}", text))
    return _finished(_parameter.sub(ANY, text))


def _finished(text: str) -> str:
    return _together.sub(ANY, _space.sub(" ", text).strip())


def _key_of(logger: str | None, error_type: str | None, said: str) -> str:
    return f"{logger or ''}\x1f{error_type or ''}\x1f{said}"


def _digest(key: str) -> str:
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


@dataclass(frozen=True)
class _Trace:
    """A stack trace: the error's class and words, and (function, file) of its frames, the innermost first."""

    error: str
    words: str
    frames: tuple[tuple[str, str], ...]

    def key(self, error_type: str | None) -> str:
        return "\x1f".join(["stack", self.error or error_type or "", *(f"{name} {file}" for name, file in self.frames)])

    @property
    def template(self) -> str:
        name, file = self.frames[0]
        return f"{_masked(self.words)} in {name or ANY} ({file})"


def _trace(message: str) -> _Trace | None:
    """The trace in a text; None when it holds none."""
    if "\n" not in message:
        return None
    text = message[:32_768]
    found = _PYTHON.findall(text)
    if found:
        last = text.rstrip().rsplit("\n", 1)[-1]
        frames = [(name, file) for file, name in reversed(found)]
    else:
        frames = [(name, file or lone) for name, file, lone in _AT.findall(text)] or _GECKO.findall(text)
        last = text.lstrip().split("\n", 1)[0]
    if not frames:
        return None
    own = [frame for frame in frames if not any(part in frame[1] for part in _OTHERS)] or frames
    return _Trace(_error_of(last), last.strip(), tuple(_told_once((_bare(n), _short(f)) for n, f in own[:FRAMES])))


def _error_of(line: str) -> str:
    found = _ERROR.match(line.strip())
    return found[1] if found else ""


def _told_once(frames: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    """Without repeats one after another: how deep a recursion went is a parameter."""
    before = None
    for frame in frames:
        if frame != before:
            yield frame
        before = frame


def _bare(name: str) -> str:
    """`Pay.charge [as handle]` is `Pay.charge`; numbers of lambdas and of anonymous functions differ between builds."""
    return re.sub(r"\d+", "*", name.split(" [as ")[0].strip())


def _short(file: str) -> str:
    """The last two parts of a path, without position, query and the digits and hashes that builds put into names."""
    path = _PLACE.sub("", file.split("?")[0]).replace("\\", "/")
    tail = "/".join(path.split("/")[-2:])
    return re.sub(r"\d+", "*", re.sub(r"[.-][0-9a-zA-Z_-]{6,}(?=\.m?js$)", "-*", tail))


def _stack_of(attributes: str | None) -> str | None:
    """The stack trace that attributes hold, if they do."""
    import json

    if not attributes or "stack" not in attributes:
        return None
    try:
        found = json.loads(attributes)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    inner = found.get("exception")
    for tree in (found, inner if isinstance(inner, dict) else {}):
        for name in ("exception.stacktrace", "stacktrace", "stack"):
            text = tree.get(name)
            if isinstance(text, str) and _trace(text) is not None:
                return text
    return None
