"""Texts that are filled in when a test runs: `{{ base }}`, `{{ email }}`, `{{ steps.login.token }}`, `${secret:NAME}`.

One pass: what is filled in is never read as a template again, so an answer cannot reach a secret by saying its name.
A text that is one expression and nothing else takes the value as it is (a number stays a number); in an address every
value is percent-encoded unless the address begins with it.
"""

from __future__ import annotations

import re
import secrets as chance
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from pitchey_slo.errors import ProbeFault, did_you_mean
from pitchey_slo.probe.synthetic.secrets import Secrets

_PART: Final = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}|\$\{secret:([^{}]*)\}")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
#: What begins like a template and is none.
_BROKEN: Final = re.compile(r"\{\{|\}\}|\$\{secret")

#: Names that are always there, and what they are.
GIVEN: Final = {
    "base": "the address of the platform, without a slash at the end",
    "location": "where the test runs",
    "test": "its name",
    "run_id": "the same in all rows of this run",
    "now": "the time, ISO 8601 in UTC",
}
RANDOM: Final[dict[str, Callable[[], str]]] = {
    "hex": lambda: chance.token_hex(8),
    "uuid": lambda: str(uuid.uuid4()),
    "int": lambda: str(chance.randbelow(10**9)),
    "name": lambda: f"Synthetic {chance.token_hex(3)}",
    "email": lambda: f"synthetic+{chance.token_hex(8)}@example.com",  # RFC 2606: nobody's
    "password": lambda: f"Sy-{chance.token_urlsafe(18)}-9",
}


class NotThere(Exception):
    """A value of an earlier step that never came to be."""


@dataclass
class Values:
    """What the names stand for in one attempt. `steps` grows as steps keep what they extract."""

    given: Mapping[str, str]
    secrets: Secrets
    variables: dict[str, Any] = field(default_factory=dict)
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, *, base: str, location: str, test: str, run_id: str, now: datetime, secrets: Secrets,
        variables: Mapping[str, str],
    ) -> Values:  # fmt: skip
        """Values of a new attempt; the variables are filled in here, in their order, once."""
        time = now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        given = {"base": base.rstrip("/"), "location": location, "test": test, "run_id": run_id, "now": time}
        values = cls(given, secrets)
        for name, text in variables.items():
            values.variables[name] = values.fill(text)
        return values

    def text(self, text: str) -> str:
        """The text filled in. Raises ProbeFault, and NotThere for a step that kept nothing of that name."""
        return _PART.sub(lambda part: str(self._value(part)), text)

    def url(self, text: str) -> str:
        """An address filled in: values inside it are percent-encoded."""
        return _PART.sub(
            lambda part: str(self._value(part)) if part.start() == 0 else quote(str(self._value(part)), safe=""), text
        )

    def fill(self, value: Any) -> Any:
        """Texts inside maps and lists filled in; a text that is one expression becomes its value."""
        if isinstance(value, str):
            whole = _PART.fullmatch(value)
            return self._value(whole) if whole else self.text(value)
        if isinstance(value, Mapping):
            return {self.text(key): self.fill(each) for key, each in value.items()}
        return [self.fill(each) for each in value] if isinstance(value, (list, tuple)) else value

    def _value(self, part: re.Match[str]) -> Any:
        expression, secret = part.groups()
        if secret is not None:
            return self.secrets.get(secret)
        head, *rest = expression.split(".")
        if head == "steps" and len(rest) == 2:
            kept = self.steps.get(rest[0], {})
            if rest[1] not in kept:
                raise NotThere(expression)
            return kept[rest[1]]
        if head == "random" and len(rest) == 1 and rest[0] in RANDOM:
            return RANDOM[rest[0]]()
        if not rest and head in self.variables:
            return self.variables[head]
        if not rest and head in self.given:
            return self.given[head]
        raise ProbeFault(f"{{{{ {expression} }}}} stands for nothing here")


def problems(text: str, known: Iterable[str]) -> Iterator[tuple[int, str, str | None]]:
    """(offset, message, hint) of every template in `text` that would not be filled in; `known` are the names of
    variables and, as `steps.NAME.KEPT`, what earlier steps keep."""
    names = [*GIVEN, *(f"random.{name}" for name in RANDOM), *known]
    for part in _PART.finditer(text):
        expression, secret = part.groups()
        if secret is not None and not _NAME.fullmatch(secret):
            yield part.start(), f"{secret!r} is no name of a secret", "letters, digits and _"
        elif secret is None and expression not in names:
            hint = did_you_mean(expression, names) or f"known here: {', '.join(names)}"
            yield part.start(), f"{{{{ {expression} }}}} stands for nothing here", hint
    rest = _PART.sub(lambda part: " " * len(part.group()), text)
    if broken := _BROKEN.search(rest):
        yield broken.start(), f"{broken.group()!r} begins or ends no template", "{{ name }} or ${secret:NAME}"


def secrets_in(text: str) -> set[str]:
    """Names of the secrets a text asks for."""
    return {part[2] for part in _PART.finditer(text) if part[2] is not None}
