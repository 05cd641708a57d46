"""The dashboards there are: files of `config/dashboards`, and over them what people saved, version by version.

A file counts as version 0. Saving writes the next version into the table `dashboards` and never changes the file; the
highest version of a name is shown, one without a definition hides it. Nothing is ever overwritten, so any version can
be restored.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from pitchey_slo.alert.words import iso
from pitchey_slo.board.model import Definition
from pitchey_slo.board.read import read
from pitchey_slo.errors import BoardError, ConfigError, Conflict, NotFound, did_you_mean
from pitchey_slo.settings import Settings, shipped
from pitchey_slo.tables import DASHBOARDS

Register = Callable[[str, Sequence[Any]], pa.Table]
Append = Callable[[str, pa.Table], Any]

#: Definitions that are kept as they were read.
_MOST_READ: Final = 300
_NEWEST: Final = """
    SELECT name, version, definition, saved_by, created_at FROM dashboards
    QUALIFY row_number() OVER (PARTITION BY name ORDER BY version DESC) = 1"""
_VERSIONS: Final = """
    SELECT version, definition, saved_by, comment, created_at, source FROM dashboards WHERE name = ?
    ORDER BY version DESC"""


@dataclass(frozen=True)
class Shown:
    """A dashboard as it is shown now: its text, the version it is, and who saved it when (nobody: a file)."""

    definition: Definition
    text: str
    version: int
    saved_by: str | None = None
    saved_at: datetime | None = None

    def as_dict(self) -> dict[str, Any]:
        """What a list of dashboards tells of it."""
        d = self.definition
        return {
            "id": d.name,
            "title": d.title,
            "description": d.description,
            "role": d.role,
            "order": d.order,
            "range": d.range,
            "refresh": d.refresh,
            "version": self.version,
            "saved_by": self.saved_by,
            "saved_at": iso(self.saved_at),
        }


def folder_of(settings: Settings) -> Path:
    """`dashboards` in the folder of configurations; the shipped one when that is absent."""
    own = settings.config / "dashboards"
    return own if own.is_dir() else shipped("config") / "dashboards"


class Shelf:
    """Dashboards of files and of one register, read again when they change. For any number of threads."""

    def __init__(self, folder: Path, register: Register) -> None:
        self._folder, self._register = folder, register
        self._read: dict[tuple[str, str], Definition | ConfigError] = {}
        self._texts: dict[Path, tuple[tuple[int, int], str]] = {}
        self._lock = threading.Lock()
        self._writing = threading.Lock()

    def every(self) -> tuple[list[Shown], list[str]]:
        """(all that can be shown, in the order of the menu; what is wrong with the others)."""
        texts = self._files()
        saved = {row["name"]: row for row in self._register(_NEWEST, []).to_pylist()}
        shown, problems = [], []
        for name in sorted({*texts, *saved}):
            row = saved.get(name)
            text = row["definition"] if row else texts[name]
            if text is None:
                continue
            found = self._definition(name, text, str(self._folder / f"{name}.yml") if row is None else name)
            if isinstance(found, ConfigError):
                problems.append(found.message)
            else:
                version = int(row["version"]) if row else 0
                by, at = (row["saved_by"], row["created_at"]) if row else (None, None)
                shown.append(Shown(found, text, version, by, at))
        return sorted(shown, key=lambda each: (each.definition.order, each.definition.name)), problems

    def one(self, name: str) -> Shown:
        """Raises NotFound with a suggestion, BoardError when it cannot be read."""
        shown, problems = self.every()
        found = next((each for each in shown if each.definition.name == name), None)
        if found is None:
            broken = [p for p in problems if f"{name}.yml" in p or p.startswith(f"{name}:")]
            if broken:
                raise BoardError(broken[0])
            known = [each.definition.name for each in shown]
            near = did_you_mean(name[:80], known) or "there are: " + (", ".join(known) or "none")
            raise NotFound(f"no dashboard {name[:80]!r}; {near}")
        return found

    def versions(self, name: str) -> list[dict[str, Any]]:
        """Every version of a dashboard with its text, the newest first; the file is version 0."""
        rows = self._register(_VERSIONS, [name]).to_pylist()
        told: list[dict[str, Any]] = [row | {"created_at": iso(row["created_at"])} for row in rows]
        text = self._files().get(name)
        if text is not None:
            told.append(
                {"version": 0, "definition": text, "saved_by": None, "comment": "the file", "created_at": None,
                 "source": "file"}
            )  # fmt: skip
        if not told:
            self.one(name)  # raises with a suggestion
        return told

    def save(
        self,
        text: str,
        *,
        base: int | None,
        by: str,
        comment: str,
        now: datetime,
        append: Append,
        name: str | None = None,
    ) -> Shown:
        """Write the next version of the dashboard that `text` defines. `base` is the version that was edited (None: it
        is new). Raises BoardError for a text that is none, Conflict when somebody saved another version meanwhile."""
        try:
            definition = read(text, name or "definition", name=name)
        except ConfigError as error:
            raise BoardError(error.message, detail=error.detail) from None
        self._write(definition.name, text, base, by, comment, now, append)
        return self.one(definition.name)

    def remove(self, name: str, *, base: int | None, by: str, comment: str, now: datetime, append: Append) -> int:
        """Hide a dashboard, its file too; returns the version that says so. It can be restored."""
        self.one(name)
        return self._write(name, None, base, by, comment, now, append, must_be_new=False)

    def restore(self, name: str, version: int, *, by: str, now: datetime, append: Append) -> Shown:
        """Make an older version the newest. Raises NotFound, BoardError."""
        known = {row["version"]: row["definition"] for row in self.versions(name)}
        text = known.get(version)
        if text is None:
            raise NotFound(f"{name} has no version {version} with a definition; {_listed(known)}")
        definition = read(text, name, name=name)
        newest = max(known)
        self._write(definition.name, text, newest, by, f"version {version} restored", now, append)
        return self.one(name)

    def _write(
        self,
        name: str,
        text: str | None,
        base: int | None,
        by: str,
        comment: str,
        now: datetime,
        append: Append,
        *,
        must_be_new: bool = True,
    ) -> int:
        with self._writing:
            rows = self._register(_VERSIONS, [name]).to_pylist()
            newest = int(rows[0]["version"]) if rows else 0
            there = bool(rows and rows[0]["definition"] is not None) or (not rows and name in self._files())
            if base is None and there and must_be_new:
                raise Conflict(
                    f"{name} exists already, as version {newest}; send `version`: {newest} to change it",
                    detail={"version": newest},
                )
            if base is not None and base != newest:
                by_whom = f" by {rows[0]['saved_by']}" if rows else ""
                raise Conflict(
                    f"{name} is version {newest} now, saved{by_whom}; yours began from version {base}: "
                    "load it again and repeat the change",
                    detail={"version": newest},
                )
            row = {"id": f"{name}@{newest + 1}", "name": name, "version": newest + 1, "definition": text,
                   "saved_by": by, "comment": comment, "created_at": now}  # fmt: skip
            append(DASHBOARDS.name, DASHBOARDS.of([row]))
            return newest + 1

    def _definition(self, name: str, text: str, file: str) -> Definition | ConfigError:
        with self._lock:
            if (name, text) not in self._read:
                if len(self._read) >= _MOST_READ:
                    self._read.clear()
                try:
                    self._read[name, text] = read(text, file, name=name)
                except ConfigError as error:
                    self._read[name, text] = error
            return self._read[name, text]

    def _files(self) -> dict[str, str]:
        """Name -> text of each file; one that cannot be read has a text that is none."""
        found = {}
        for path in sorted(self._folder.glob("*.yml")):
            try:
                about = path.stat()
                seen = (about.st_mtime_ns, about.st_size)
                kept = self._texts.get(path)
                if kept is None or kept[0] != seen:
                    kept = self._texts[path] = (seen, path.read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError):
                continue
            found[path.stem] = kept[1]
        return found


def _listed(known: Mapping[int, str | None]) -> str:
    there = [str(version) for version, text in sorted(known.items()) if text is not None]
    return f"there are: {', '.join(there) or 'none'}"
