"""The SLO files as they are now: what a long-lived process judges by, so that a changed file needs no restart."""

from __future__ import annotations

import threading
from pathlib import Path

from pitchey_slo.errors import ConfigError, SloError
from pitchey_slo.settings import Settings, shipped
from pitchey_slo.slo.model import Slo
from pitchey_slo.slo.spec.openslo import read


def slo_folder(settings: Settings) -> Path:
    """`slos` in the folder of configurations; the shipped one when that is absent."""
    own = settings.config / "slos"
    return own if own.exists() else shipped("config") / "slos"


class Shelf:
    """The SLOs of the configuration, read again when a file changed. For any number of threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seen: object = None
        self._slos: tuple[Slo, ...] = ()
        self._problems: tuple[str, ...] = ()
        self._error: Exception | None = None
        self._lock = threading.Lock()

    def current(self) -> tuple[tuple[Slo, ...], tuple[str, ...]]:
        """(SLOs, what is wrong with the files: then the SLOs are those that were read last)."""
        with self._lock:
            return self._current()

    def slos(self) -> tuple[Slo, ...]:
        """The SLOs alone."""
        return self.current()[0]

    def strict(self) -> tuple[Slo, ...]:
        """The SLOs; ConfigError (or what else is wrong) while the files cannot be read."""
        with self._lock:
            slos, problems = self._current()
            if problems and self._error is not None:
                raise self._error
            return slos

    def _current(self) -> tuple[tuple[Slo, ...], tuple[str, ...]]:
        folder = slo_folder(self._settings)
        seen = _look(folder)
        if seen != self._seen:
            try:
                self._slos, self._problems, self._error = read(folder).slos, (), None
            except (ConfigError, SloError, OSError) as error:
                self._error = error
                said = getattr(error, "message", None) or str(error)
                self._problems = (f"the SLO files cannot be read, the last good ones are used: {said}",)
            self._seen = seen
        return self._slos, self._problems


def _look(folder: Path) -> list[tuple[str, int, int]]:
    """Name, time and size of every file below."""
    found = []
    for path in sorted(folder.rglob("*.y*ml")):
        try:
            about = path.stat()
        except OSError:  # gone between the two looks
            continue
        found.append((str(path), about.st_mtime_ns, about.st_size))
    return found
