"""The tests there are: files of config/synthetics, and those that were added over the API.

One that was added replaces the file of the same name until it is taken away. Files are read again when they change;
while one is wrong, the test it was before holds on, and `problems` says what is wrong with it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pitchey_slo.errors import PitcheyError
from pitchey_slo.probe.synthetic.definition import Definition
from pitchey_slo.probe.synthetic.quorum import Target
from pitchey_slo.probe.synthetic.secrets import Secrets

FOLDER: Final = "synthetics"
#: Reads a definition: (text, name of the file) -> definition.
Read = Callable[[str, str], Definition]


@dataclass(frozen=True)
class Shelved:
    """A test and where it comes from: `file` or `api`, and the file's name or who added it."""

    definition: Definition
    source: str
    place: str

    @property
    def name(self) -> str:
        return self.definition.name

    def target(self, base: str) -> Target:
        """What it looks at, for the quorum."""
        given = self.definition
        return Target(given.name, given.interval, host_of(given, base), given.component or None)


@dataclass
class Shelf:
    """`folder` may not exist. For one thread at a time."""

    folder: Path
    read: Read
    _files: dict[Path, tuple[tuple[int, int], Definition | None, str | None]] = field(default_factory=dict)
    _rows: dict[str, tuple[str, Definition | None, str | None]] = field(default_factory=dict)

    def current(self, rows: Sequence[Mapping[str, Any]] = ()) -> tuple[dict[str, Shelved], tuple[str, ...]]:
        """Tests by name, and what is wrong. `rows` of the table `synthetics` that were not removed."""
        found: dict[str, Shelved] = {}
        problems = []
        for path, definition, problem in self._from_files():
            if problem:
                problems.append(problem)
            if definition is not None and definition.name in found:
                problems.append(f"{path}: {definition.name!r} is also the name of {found[definition.name].place}")
            elif definition is not None:
                found[definition.name] = Shelved(definition, "file", path.name)
        for row in rows:
            definition, problem = self._from_row(row)
            if problem:
                problems.append(problem)
            if definition is not None:
                found[definition.name] = Shelved(definition, "api", row["added_by"])
        return found, tuple(problems)

    def _from_files(self) -> Iterable[tuple[Path, Definition | None, str | None]]:
        paths = sorted([*self.folder.glob("*.yaml"), *self.folder.glob("*.yml")]) if self.folder.is_dir() else []
        self._files = {path: kept for path, kept in self._files.items() if path in paths}
        for path in paths:
            before = self._files.get(path, ((-1, -1), None, None))
            try:
                stat = path.stat()
                if (stat.st_mtime_ns, stat.st_size) != before[0]:
                    before = (
                        (stat.st_mtime_ns, stat.st_size),
                        *self._try(path.read_text("utf-8"), str(path), before[1]),
                    )
            except (OSError, UnicodeDecodeError) as error:
                before = ((-1, -1), before[1], f"{path}: cannot be read: {error}")
            self._files[path] = before
            yield path, before[1], before[2]

    def _from_row(self, row: Mapping[str, Any]) -> tuple[Definition | None, str | None]:
        name, text = row["id"], row["definition"]
        known = self._rows.get(name)
        if known is None or known[0] != text:
            known = (text, *self._try(text, f"{name} (added by {row['added_by']})", known[1] if known else None))
            self._rows[name] = known
        return known[1], known[2]

    def _try(self, text: str, file: str, before: Definition | None) -> tuple[Definition | None, str | None]:
        try:
            return self.read(text, file), None
        except PitcheyError as error:
            return before, error.message


def needs_base(definition: Definition) -> bool:
    """Whether a test begins at `{{ base }}`, which somebody has to say first."""
    return "{{ base }}" in definition.text or "{{base}}" in definition.text


def host_of(definition: Definition, base: str) -> str | None:
    """The host of a test's first address; None when it is only known at run time."""
    urls = [s.request.url for s in definition.steps] + [m.value or "" for m in definition.moves if m.do == "goto"]
    for url in urls:
        text = url.replace("{{ base }}", base).replace("{{base}}", base)
        try:
            host = urlsplit(text).hostname
        except ValueError:
            continue
        if host and "{" not in host:
            return host
    return None


def secrets_here() -> Secrets:
    """Where secrets of this process are: its environment, and the folder that systemd's `LoadCredential` makes."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return Secrets(os.environ, Path(folder) if folder else None)
