"""`config/scrubbing.yml`, strictly read: every problem at once, with line, column and a caret.

What the file does not say stays as `Policy()` has it, so a file of one line changes one thing.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, cast

from pitchey_slo.errors import ConfigError, did_you_mean
from pitchey_slo.scrub.engine import Scrubber
from pitchey_slo.scrub.key import user_key
from pitchey_slo.scrub.names import Names
from pitchey_slo.scrub.policy import ACTIONS, FAILED, RULES, Action, Override, Pattern, Policy

if TYPE_CHECKING:
    from pitchey_slo.settings import Settings
    from pitchey_slo.yaml_source import Value

FILE: Final = "scrubbing.yml"
TOP: Final = ("rules", "regions", "keep_networks", "keys", "patterns", "allow", "sources")
NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
#: A pattern longer than this, or one whose automaton is larger than RE2 takes, is refused.
LONGEST_PATTERN: Final = 2_000


def scrubber(settings: Settings) -> Scrubber:
    """The scrubber of a home: rules of `config/scrubbing.yml` (those of the package without one), key of the home, made
    when absent. The same object as long as file and home are the same. Raises ConfigError."""
    path = settings.config / FILE
    try:
        stat = path.stat()
        version: tuple[int, int] | None = (stat.st_mtime_ns, stat.st_size)
    except FileNotFoundError:
        version = None
    return _made(path, version, settings.home.resolve(), user_key(settings.home))


@functools.lru_cache(maxsize=16)
def _made(path: Path, version: tuple[int, int] | None, home: Path, key: bytes) -> Scrubber:  # noqa: ARG001  # of the cache
    return Scrubber(load(path) if version else Policy(), key)


def shipped_policy() -> Policy:
    """What the file that comes with the package says, without reading it: a test keeps the two equal."""
    return Policy()


def load(path: Path) -> Policy:
    """What the file says. Raises ConfigError that lists every problem."""
    try:
        return read(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise ConfigError("not UTF-8", file=path) from error
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", file=path) from None


def read(text: str, file: str = FILE) -> Policy:
    """The same for a text."""
    from pitchey_slo.yaml_source import compose, raise_all

    root, source = compose(text, file)
    policy = Policy()
    if root is not None and root.wants("map", "a map"):
        policy = _policy(root, policy)
    raise_all(source.found)
    return policy


def _policy(root: Value, usual: Policy) -> Policy:
    fields = root.fields(TOP)
    keys = _map(fields.get("keys"), ("secret", "personal", "keep"))
    allow = _map(fields.get("allow"), ("texts", "fields"))
    patterns = tuple(_patterns(fields["patterns"])) if "patterns" in fields else ()
    known = (*RULES, *(p.name for p in patterns))
    return Policy(
        actions=MappingProxyType({**usual.actions, **_actions(fields.get("rules"), tuple(RULES))}),
        patterns=patterns,
        names=Names(**{name: _texts(value, "a name of a field") for name, value in keys.items()}),
        allow_texts=_texts(allow["texts"], "a text") if "texts" in allow else usual.allow_texts,
        allow_fields=_texts(allow["fields"], "a name of a field") if "fields" in allow else usual.allow_fields,
        regions=_regions(fields["regions"]) if "regions" in fields else usual.regions,
        keep_networks=_networks(fields["keep_networks"]) if "keep_networks" in fields else usual.keep_networks,
        overrides=tuple(_overrides(fields["sources"], known)) if "sources" in fields else (),
    )


def _map(value: Value | None, known: tuple[str, ...]) -> dict[str, Value]:
    return value.fields(known) if value is not None and value.wants("map", "a map") else {}


def _actions(value: Value | None, known: tuple[str, ...]) -> dict[str, Action]:
    return {n: a for n, v in _map(value, known).items() if (a := _action(v)) is not None}


def _action(value: Value) -> Action | None:
    if value.text in ACTIONS:
        return cast("Action", value.text)
    value.problem(f"{value.text!r} is no action", did_you_mean(value.text, ACTIONS) or f"one of {', '.join(ACTIONS)}")
    return None


def _texts(value: Value, what: str) -> tuple[str, ...]:
    if not value.wants("list", f"a list, each {what},"):
        return ()
    found = []
    for item in value.items():
        if item.wants("text", what):
            if not item.text.strip():
                item.problem("nothing in it")
            found.append(item.text)
    return tuple(found)


def _regions(value: Value) -> tuple[str, ...]:
    import phonenumbers

    regions = _texts(value, "a region such as IE")
    for item in value.items() if value.kind == "list" else ():
        if item.text not in phonenumbers.SUPPORTED_REGIONS:
            item.problem(f"no region {item.text!r}", did_you_mean(item.text.upper(), phonenumbers.SUPPORTED_REGIONS))
    return regions


def _networks(value: Value) -> tuple[str, ...]:
    for item in value.items() if value.kind == "list" else ():
        try:
            ipaddress.ip_network(item.text)
        except ValueError as error:
            item.problem(f"{item.text!r} is no network: {error}", "such as 10.0.0.0/8")
    return _texts(value, "a network such as 10.0.0.0/8")


def _patterns(value: Value) -> list[Pattern]:
    found: list[Pattern] = []
    for key, given in value.entries() if value.wants("map", "a map of names to patterns") else ():
        if not NAME.fullmatch(key.text) or key.text in (*RULES, FAILED, "person", "secret"):
            key.problem(f"{key.text!r} cannot be the name of a pattern", "small letters, digits and _; no rule's name")
        elif key.text in (p.name for p in found):
            key.problem(f"{key.text} stands twice")
        fields = _map(given, ("regex", "action"))
        if "regex" not in fields:
            given.problem("regex is missing", "a pattern of RE2")
            continue
        action = _action(fields["action"]) if "action" in fields else "mask"
        if _regex(fields["regex"]) and action is not None:
            found.append(Pattern(key.text, fields["regex"].text, action))
    return found


def _regex(value: Value) -> bool:
    """Notes why it is no pattern."""
    from pitchey_slo.scrub.rules.own import compiled

    if not value.wants("text", "a pattern of RE2"):
        return False
    try:
        if len(value.text) > LONGEST_PATTERN:
            value.problem(f"{len(value.text):,} characters", f"at most {LONGEST_PATTERN:,}")
        elif compiled(value.text).search(""):
            value.problem("matches the empty text", "then every text would be scrubbed between all its letters")
        else:
            return True
    except Exception as error:  # noqa: BLE001  # re2.error derives from Exception alone
        said = error.args[0] if error.args else error
        value.problem(f"no pattern of RE2: {said.decode() if isinstance(said, bytes) else said}")
    return False


def _overrides(value: Value, known: tuple[str, ...]) -> list[Override]:
    found: list[Override] = []
    for key, given in value.entries() if value.wants("map", "a map of sources to rules") else ():
        if any(key.text == other.glob for other in found):
            key.problem(f"{key.text} stands twice")
        found.append(Override(key.text, MappingProxyType(_actions(given, known))))
    return found
