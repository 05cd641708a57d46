"""Write OpenSLO files: change a file that people wrote without touching the rest of it, or make one from values.

    file = SpecFile.open("config/slos/login.yaml")
    file.set_target("login", "login works", 0.9995)
    file.add_window("login", "1M Europe/London")
    print(file.diff())
    file.save()

Only the characters of the value that changes are touched; comments, order, quotes and line ends stay. Each edit is
read back and checked before it is kept, and a file that changed meanwhile is not written over.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from pitchey_slo.errors import ConfigError, SloError, did_you_mean
from pitchey_slo.slo.model import Slo, Specs, TimeWindow
from pitchey_slo.slo.spec import dump, edit, emit
from pitchey_slo.slo.spec.check import Problems, raise_all
from pitchey_slo.slo.spec.documents import load
from pitchey_slo.slo.spec.extras import PREFIX
from pitchey_slo.slo.spec.openslo import Loaded, files_of

WINDOWS = PREFIX + "windows"


@dataclass
class SpecFile:
    """One file of specs that is being edited. `text()` is what `save()` writes."""

    path: Path
    _original: bytes
    _text: str
    _others: Loaded
    _before: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def open(cls, path: str | Path, *, among: Iterable[str | Path] = ()) -> SpecFile:
        """Read a file that is to be changed. ConfigError when it is no YAML.

        among   files and folders that are read with it, so that references to them are known
        What was wrong with it before does not keep it from being changed; an edit must add nothing wrong.
        """
        path = Path(path)
        if not path.is_file():
            raise ConfigError("no such file", file=path)
        original = path.read_bytes()
        try:
            text = original.decode()
        except UnicodeDecodeError as error:
            raise ConfigError(f"not UTF-8: {error.reason} at byte {error.start}", file=path) from None
        problems = Problems(str(path))
        load(text.removeprefix("\ufeff"), problems)
        raise_all(problems.found)
        others = Loaded()
        for other in files_of(among):
            if other.resolve() != path.resolve():
                others.add(other.read_text("utf-8-sig"), str(other))
        found = cls(path, original, text, others)
        found._before = frozenset(_same(p) for p in found._read(text)[1])
        return found

    def text(self) -> str:
        """The file's text with the edits so far, with the line ends and the byte order mark it had."""
        return self._text

    def diff(self) -> str:
        """What the edits changed, as a unified diff; empty when nothing did."""
        old, new = (t.splitlines(keepends=True) for t in (self._original.decode(), self._text))
        return "".join(difflib.unified_diff(old, new, str(self.path), str(self.path)))

    def specs(self) -> Specs:
        """What the text says now. ConfigError lists its problems."""
        specs, found = self._read(self._text)
        raise_all(found)
        return specs

    # ---- edits -----------------------------------------------------------------------------------------------------

    def set(self, slo: str, path: str | Sequence[str | int], value: Any, *, kind: str = "SLO") -> None:
        """Put `value` at a path such as `spec.objectives[0].target` of the object of this name.

        A key that is not there is added at the end of its map, and so is the next item of a list. Annotations and
        labels have dots in their keys: all after `annotations.` is one key. ConfigError when the result is not right,
        or when the place is shared by anchors; then nothing changes.
        """
        steps = edit.path_of(path)
        self._try(lambda text: edit.assign(text, self._document(slo, kind), steps, value), steps)

    def remove(self, slo: str, path: str | Sequence[str | int], *, kind: str = "SLO") -> None:
        """Take out a key or an item; a map or list that held nothing else goes too."""
        steps = edit.path_of(path)
        self._try(lambda text: edit.remove(text, self._document(slo, kind), steps), steps)

    def set_target(self, slo: str, objective: str | int, value: float) -> None:
        """Change the target (a fraction) of an objective, given by name or place; a `targetPercent` stays one."""
        data = self._data(slo)
        i = self._objective(slo, data, objective)
        percent = "targetPercent" in data["spec"]["objectives"][i]
        number = float(Decimal(repr(float(value))) * 100) if percent else float(value)
        self.set(slo, ("spec", "objectives", i, "targetPercent" if percent else "target"), number)

    def set_annotation(self, slo: str, key: str, value: str | None) -> None:
        """Set an annotation; None takes it out."""
        path = ("metadata", "annotations", key)
        if value is not None:
            self.set(slo, path, value)
        elif key in (self._data(slo)["metadata"].get("annotations") or {}):
            self.remove(slo, path)

    def add_window(self, slo: str, window: str) -> None:
        """One more window, such as "7d" or "1M Europe/London"; nothing changes when it is there already."""
        try:
            parsed = TimeWindow.parse(window)
        except ValueError as error:
            raise ConfigError(str(error), file=self.path, key=WINDOWS) from None
        listed, first = self._windows(slo)
        if parsed not in [first, *map(TimeWindow.parse, listed)]:
            self.set_annotation(slo, WINDOWS, ", ".join([*listed, parsed.text]))

    def remove_window(self, slo: str, window: str) -> None:
        """Take out a window that the annotation lists; the one of the spec can only be changed."""
        listed, first = self._windows(slo)
        kept = [t for t in listed if TimeWindow.parse(t) != TimeWindow.parse(window)]
        if len(kept) == len(listed):
            own = first is not None and first == TimeWindow.parse(window)
            hint = "set spec.timeWindow[0].duration instead" if own else "there are: " + (", ".join(listed) or "none")
            raise ConfigError(f"{slo} has no window {window!r} to take out", file=self.path, key=WINDOWS, hint=hint)
        self.set_annotation(slo, WINDOWS, ", ".join(kept) or None)

    # ---- saving ----------------------------------------------------------------------------------------------------

    def save(self) -> bool:
        """Write the file, whole or not at all; False when nothing changed. ConfigError if it was changed meanwhile."""
        new = self._text.encode()
        if new == self._original:
            return False
        path = self.path.resolve()
        if path.read_bytes() != self._original:
            raise ConfigError(
                "was changed since it was opened", file=self.path, hint="open it again and repeat the edit"
            )
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(new)
                file.flush()
                os.fsync(file.fileno())
            shutil.copymode(path, name)
            Path(name).replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
        self._original = new
        return True

    # ---- inside ----------------------------------------------------------------------------------------------------

    def _try(self, change: Any, steps: edit.Path) -> None:
        mark = "\ufeff" if self._text.startswith("\ufeff") else ""
        try:
            edited = mark + change(self._text.removeprefix("\ufeff"))
        except ConfigError as error:
            if error.file is None:
                raise ConfigError(
                    error.problem, file=self.path, line=error.line, key=error.key or edit.shown(steps), hint=error.hint
                ) from None
            raise
        except ValueError as error:
            raise ConfigError(str(error), file=self.path, key=edit.shown(steps)) from None
        raise_all([p for p in self._read(edited)[1] if _same(p) not in self._before])
        self._text = edited

    def _read(self, text: str) -> tuple[Specs, list[ConfigError]]:
        loaded = Loaded([*self._others.documents], [], {*self._others.broken})
        loaded.add(text.removeprefix("\ufeff"), str(self.path))
        return loaded.link()

    def _document(self, name: str, kind: str = "SLO") -> int:
        known = []
        for i, data in enumerate(edit.load(self._text.removeprefix("\ufeff"))):
            if isinstance(data, dict) and data.get("kind") == kind and isinstance(data.get("metadata"), dict):
                if data["metadata"].get("name") == name:
                    return i
                known.append(str(data["metadata"].get("name")))
        hint = did_you_mean(name, known) or "there are: " + (", ".join(known) or "none")
        raise ConfigError(f"no {kind} named {name!r} in this file", file=self.path, hint=hint)

    def _data(self, slo: str) -> Any:
        return edit.load(self._text.removeprefix("\ufeff"))[self._document(slo)]

    def _objective(self, slo: str, data: Any, objective: str | int) -> int:
        objectives = data["spec"]["objectives"]
        titles = [str(o.get("displayName") or _percent(o)) for o in objectives]
        if isinstance(objective, int) and 0 <= objective < len(titles):
            return objective
        if titles.count(str(objective)) == 1:
            return titles.index(str(objective))
        hint = did_you_mean(str(objective), titles) or f"there are: {', '.join(titles)}, or their places from 0 on"
        raise ConfigError(f"{slo} has no one objective {objective!r}", file=self.path, hint=hint)

    def _windows(self, slo: str) -> tuple[list[str], TimeWindow | None]:
        """The windows of the annotation, and the one of the spec."""
        listed = str((self._data(slo)["metadata"].get("annotations") or {}).get(WINDOWS) or "")
        slos = [s for s in self._read(self._text)[0].slos if s.name == slo]
        return [t.strip() for t in listed.split(",") if t.strip()], slos[0].windows[0] if slos else None


def _percent(objective: Any) -> str:
    """The title of an objective without a name, as model.Objective has it."""
    target = objective["target"] if "target" in objective else objective["targetPercent"] / 100
    return f"{target * 100:.10g}%"


def _same(problem: ConfigError) -> str:
    """A problem without its line, which edits move."""
    return f"{problem.file} {problem.key} {problem.problem}"


# ---- from values ---------------------------------------------------------------------------------------------------


def to_openslo(slo: Slo) -> str:
    """An SLO as a file of its own that reads back equal, with all it refers to written out in it.

    SloError for what OpenSLO v1 and our annotations have no words for.
    """
    return _text(dump.slo(slo))


def export_openslo(specs: Specs) -> str:
    """All that was read as one file, references kept: first what is referred to, then the SLOs."""
    documents = [dump.thing(t) for t in specs.things] + [dump.indicator(i) for i in specs.indicators]
    documents += [dump.slo(s, specs) for s in specs.slos]
    return "---\n".join(map(_text, documents))


def _text(document: dict[str, Any]) -> str:
    try:
        return "\n".join(emit.block(document, 0)) + "\n"
    except ValueError as error:
        name = document["metadata"]["name"]
        raise SloError(f"{document['kind']} {name!r} cannot be written: {error}", detail={"name": name}) from None
