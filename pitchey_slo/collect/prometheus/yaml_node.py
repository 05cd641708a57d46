"""A YAML file whose values know their line, so that every error can name file, line and key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Final, NoReturn

from pitchey_slo.errors import ConfigError, did_you_mean

_DURATION: Final = re.compile(
    r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?", re.ASCII
)
_SECONDS: Final = (365 * 86400.0, 7 * 86400.0, 86400.0, 3600.0, 60.0, 1.0, 0.001)
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGTPE]?i?B)?", re.ASCII)
_POWERS: Final = "BKMGTPE"


@dataclass(frozen=True)
class Node:
    """A value of the file: where it stands and under which key."""

    file: Path
    value: Any
    line: int | None
    key: str

    def fail(self, message: str, *, hint: str | None = None) -> NoReturn:
        raise ConfigError(message, file=self.file, line=self.line, key=self.key or None, hint=hint)

    # maps and lists

    def fields(self, known: Iterable[str]) -> dict[str, Node]:
        """The entries of a map with known keys; null counts as absent."""
        known = list(known)
        found = self.entries()
        for name, node in found.items():
            if name not in known:
                node.fail("unknown key", hint=did_you_mean(name, known) or f"known: {', '.join(sorted(known))}")
        return {name: node for name, node in found.items() if node.value is not None}

    def entries(self) -> dict[str, Node]:
        """The entries of a map, whatever their keys."""
        if not isinstance(self.value, Mapping):
            self.fail(f"{shown(self.value)} where a map of keys belongs")
        found = {}
        for name, value in self.value.items():
            line = _line(self.value, name, self.line)
            node = Node(self.file, value, line, f"{self.key}.{name}" if self.key else str(name))
            if not isinstance(name, str):
                node.fail(f"the key {shown(name)} is not a text", hint="put it in quotes")
            found[name] = node
        return found

    def items(self) -> Iterator[Node]:
        """The entries of a list."""
        if not isinstance(self.value, list):
            self.fail(f"{shown(self.value)} where a list belongs", hint="start each entry with `- `")
        for i, value in enumerate(self.value):
            yield Node(self.file, value, _line(self.value, i, self.line), f"{self.key}[{i}]")

    # single values

    def text(self) -> str:
        """A text; whole numbers are taken as they are written."""
        if isinstance(self.value, str):
            return str(self.value)
        if isinstance(self.value, int) and not isinstance(self.value, bool):
            return str(int(self.value))
        return self.fail(f"{shown(self.value)} is not a text", hint="put it in quotes")

    def choice(self, among: Iterable[str]) -> str:
        among = list(among)
        text = self.text()
        if text not in among:
            self.fail(f"{text!r}", hint=did_you_mean(text, among) or f"one of {', '.join(among)}")
        return text

    def flag(self) -> bool:
        if not isinstance(self.value, bool):
            self.fail(f"{shown(self.value)} is neither true nor false")
        return bool(self.value)

    def whole(self) -> int:
        """A whole number, 0 or more."""
        if isinstance(self.value, bool) or not isinstance(self.value, int) or self.value < 0:
            self.fail(f"{shown(self.value)} is not a whole number from 0")
        return int(self.value)

    def duration(self) -> float:
        """Seconds from Prometheus' notation: 15s, 1m30s, 500ms."""
        text = self.text()
        match = _DURATION.fullmatch(text)
        if match is None or not any(match.groups()):
            self.fail(f"{text!r} is not a duration", hint="such as 15s, 1m30s or 500ms")
        return sum(int(part) * unit for part, unit in zip(match.groups(), _SECONDS, strict=True) if part)

    def size(self) -> int:
        """Bytes: 10MB, 512KiB; units count in 1024s, as in Prometheus."""
        text = self.text()
        match = _SIZE.fullmatch(text)
        if match is None:
            self.fail(f"{text!r} is not a number of bytes", hint="such as 10MB")
        return int(float(match[1]) * 1024 ** _POWERS.index((match[2] or "B")[0]))

    def labels(self) -> dict[str, str]:
        """A map of label names to texts."""
        return {name: node.text() for name, node in self.entries().items()}

    def texts(self) -> tuple[str, ...]:
        return tuple(node.text() for node in self.items())

    def path(self) -> Path:
        """A file; relative ones lie beside the configuration file."""
        return self.file.parent / self.text()


def read_yaml(path: Path) -> Node:
    """The only document of a YAML (or JSON) file. Raises ConfigError, with the line, when it is none."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError("no such file", file=path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", file=path) from None
    try:
        value = YAML(typ="rt").load(StringIO(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ConfigError(
            f"not YAML: {error.problem or error}", file=path, line=mark.line + 1 if mark else None
        ) from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"not YAML: {error}", file=path) from None
    return Node(path, value, 1, "")


def shown(value: Any) -> str:
    """A value short enough for a message."""
    text = repr(dict(value) if isinstance(value, Mapping) else value)
    return text if len(text) <= 60 else text[:57] + "..."


def _line(container: Any, key: Any, otherwise: int | None) -> int | None:
    """1-based line of an entry, as ruamel.yaml noted it."""
    place = getattr(getattr(container, "lc", None), "data", None)
    if place is None or key not in place:
        return otherwise
    return int(place[key][0]) + 1
