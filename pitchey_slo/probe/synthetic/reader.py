"""A definition from its text: every problem at once, each with file, line, column and what would work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pitchey_slo.errors import ConfigError
from pitchey_slo.probe.synthetic import certificate, form, template
from pitchey_slo.probe.synthetic.definition import (
    Assertion,
    Definition,
    Extract,
    Maintenance,
    Move,
    Request,
    Retries,
    Step,
)
from pitchey_slo.probe.synthetic.shape import Length, Many
from pitchey_slo.yaml_source import Value, compose, raise_all

#: Keys that are handed over as they are read.
_PLAIN: Final = (
    "name", "kind", "component", "description", "interval", "timeout", "enabled", "degraded_after", "consecutive", "ca",
)  # fmt: skip


def read(text: str, file: str) -> Definition:
    """The definition in a text. Raises ConfigError that lists every problem; `file` is how it is called in them."""
    value, source = compose(text, file)
    if value is None:
        if not source.found:
            source.add(1, 1, "", "the file is empty", "a definition has name, kind, component and steps")
        raise_all(source.found)
        raise AssertionError
    given = form.DEFINITION.read(value)
    steps = _steps(value) if given else []
    if not source.found:
        _meaning(value)
    raise_all(source.found)
    return _definition(given, steps, text)


def read_file(path: Path) -> Definition:
    """The same for a file. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", file=path) from None
    return read(text, str(path))


def _steps(value: Value) -> list[dict[str, Any]]:
    """Steps by the kind of the test; their problems are noted."""
    entries = _entries(value)
    if "steps" not in entries or "kind" not in entries:
        return []
    kind = entries["kind"].text
    most = 1 if kind == "http" else 100
    found = Many(form.MOVE if kind == "browser" else form.STEP, 1, most).read(entries["steps"])
    return found or []


def _meaning(value: Value) -> None:
    """What only the whole can tell: templates, names that stand twice, times that do not fit."""
    entries = _entries(value)
    known: list[str] = []
    for key, each in _pairs(entries.get("variables")):
        if key.text in template.GIVEN or key.text in ("steps", "random"):
            key.problem(f"{key.text} has a meaning already", "choose another name")
        _templates(each, known)
        known.append(key.text)
    names: set[str] = set()
    for step in entries["steps"].items():
        parts = _entries(step)
        name = parts["name"].text
        if name in names:
            parts["name"].problem(f"{name} stands twice", "each step has a name of its own")
        names.add(name)
        for part_name, part in parts.items():
            if part_name not in ("name", "extract"):
                _templates(part, known)
        known += [f"steps.{name}.{key.text}" for key, _ in _pairs(parts.get("extract"))]
        _fits(parts, entries, "timeout", "timeout")
    _fits(entries, entries, "degraded_after", "timeout")
    for window in entries["maintenance"].items() if "maintenance" in entries else ():
        _zone(_entries(window))
    if "ca" in entries and entries["kind"].text == "browser":
        entries["ca"].problem("a browser trusts what its machine trusts", "install the authority there")
    elif "ca" in entries:
        try:
            certificate.trust_of(entries["ca"].text)
        except ValueError as error:
            entries["ca"].problem(str(error))


def _templates(value: Value, known: Iterable[str]) -> None:
    for text in _texts(value):
        for at, message, hint in template.problems(text.text, known):
            text.problem(message, hint, at=at)


def _fits(parts: Mapping[str, Value], whole: Mapping[str, Value], key: str, limit: str) -> None:
    """A length that must not be longer than another."""
    lengths = Length(0, 1e12)
    most = lengths.read(whole[limit]) if limit in whole else getattr(Definition, limit)
    clean_up = "always" in parts and parts["always"].text.lower() == "true"
    if key in parts and not clean_up and lengths.read(parts[key]) > most:
        parts[key].problem(f"{parts[key].text} is longer than the {limit} of an attempt, {most:g} s")


def _zone(window: Mapping[str, Value]) -> None:
    if "timezone" in window:
        try:
            ZoneInfo(window["timezone"].text)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            window["timezone"].problem(f"{window['timezone'].text!r} is no time zone", "such as Europe/London or UTC")


def _entries(value: Value) -> dict[str, Value]:
    return {key.text: each for key, each in _pairs(value)}


def _pairs(value: Value | None) -> Iterator[tuple[Value, Value]]:
    return value.entries() if value is not None and value.kind == "map" else iter(())


def _texts(value: Value) -> Iterator[Value]:
    """Every text inside, keys of maps included."""
    if value.kind == "map":
        for key, each in value.entries():
            yield key
            yield from _texts(each)
    elif value.kind == "list":
        for each in value.items():
            yield from _texts(each)
    else:
        yield value


def _definition(given: Mapping[str, Any], steps: list[dict[str, Any]], text: str) -> Definition:
    browser = given["kind"] == "browser"
    return Definition(
        **{key: given[key] for key in _PLAIN if key in given},
        locations=tuple(given.get("locations", ())),
        allow=tuple(given.get("allow", ())),
        variables=given.get("variables", {}),
        retries=Retries(**given.get("retries", {})),
        maintenance=tuple(Maintenance(**each) for each in given.get("maintenance", ())),
        steps=() if browser else tuple(_step(each) for each in steps),
        moves=tuple(_move(each) for each in steps) if browser else (),
        text=text,
    )


def _step(given: Mapping[str, Any]) -> Step:
    request = given["request"]
    return Step(
        given["name"],
        Request(**{"method": "GET"} | request, has_json="json" in request),
        tuple(_assertion(each) for each in given.get("assert", ())),
        tuple(Extract(name, *next(iter(each.items()))) for name, each in given.get("extract", {}).items()),
        given.get("always", False),
        given.get("timeout"),
    )


def _assertion(given: Mapping[str, Any]) -> Assertion:
    degraded = given.get("otherwise") == "degraded"
    subject: Any
    subject, said = next((key, each) for key, each in given.items() if key != "otherwise")
    if subject == "status":
        return Assertion("status", "in", tuple(said), degraded=degraded)
    path = said.get(form.NAMED_BY.get(subject, ""))
    op, value = next((key, each) for key, each in said.items() if key not in ("path", "name"))
    return Assertion(subject, op, value, path, degraded)


def _move(given: Mapping[str, Any]) -> Move:
    do = next(key for key in given if key not in ("name", "always", "timeout"))
    said, selector, value, expects = given[do], None, None, None
    if do == "expect":
        expects, said = next(iter(said.items()))
    if isinstance(said, Mapping):
        selector, value = said["selector"], said.get("value", said.get("key"))
    elif do == "click" or expects in ("visible", "hidden"):
        selector = said
    else:
        value = said
    return Move(given["name"], do, selector, value, expects, given.get("always", False), given.get("timeout"))
