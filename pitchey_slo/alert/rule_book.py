"""The rules that run, read again when their files change. A file that became wrong is refused: its old rules run on.

Two kinds of pages: each rule file by itself, and the SLO specs together, whose burn alerts `slo` makes. What counts as
a change is the content; a touched file is the same file.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pitchey_slo.alert.rules import RuleGroup, read_file, rule_files, rules_of
from pitchey_slo.errors import ConfigError, PitcheyError
from pitchey_slo.yaml_source import raise_all

log = logging.getLogger(__name__)

SLO_PAGE: Final = "slos"


@dataclass(frozen=True)
class Page:
    """Groups of one file. `problem` is why its newest content was refused, None when it runs."""

    stamp: tuple[object, ...]
    digest: bytes
    groups: tuple[RuleGroup, ...] = ()
    problem: str | None = None


class RuleBook:
    """`folder` of rule files and, with `slos`, the folder of SLO specs; either may be missing."""

    def __init__(self, folder: Path, slos: Path | None = None) -> None:
        self._folder = folder
        self._slos = slos
        self._pages: dict[str, Page] = {}

    @property
    def groups(self) -> tuple[RuleGroup, ...]:
        return tuple(group for page in self._pages.values() for group in page.groups)

    @property
    def problems(self) -> dict[str, str]:
        """Why the newest content of a file does not run, by its short name."""
        return {name: page.problem for name, page in self._pages.items() if page.problem}

    def refresh(self) -> bool:
        """Read what changed; True when other rules run now."""
        before = self.groups
        there = dict(self._there())
        for gone in self._pages.keys() - there.keys():
            log.info("%s is gone, and its rules with it", gone)
            del self._pages[gone]
        for name, (files, load) in there.items():
            self._look(name, files, load)
        return self.groups != before

    def _look(self, name: str, files: Sequence[Path], load: Callable[[], tuple[RuleGroup, ...]]) -> None:
        known = self._pages.get(name)
        try:
            stamp = tuple(_stamp(file) for file in files)
            if known is not None and known.stamp == stamp:
                return
            digest = hashlib.sha256(b"\0".join(_content(file) for file in files)).digest()
            if known is not None and known.digest == digest:
                self._pages[name] = Page(stamp, digest, known.groups, known.problem)
                return
        except OSError as error:
            log.warning("%s: cannot be read: %s", name, error)
            return
        kept = known.groups if known else ()
        try:
            page = Page(stamp, digest, load())
            log.info("%s: %d rules", name, sum(len(g.rules) for g in page.groups))
        except PitcheyError as error:
            page = Page(stamp, digest, kept, error.message)
            still = f"its {sum(len(g.rules) for g in kept)} old rules run on" if kept else "none of its rules runs"
            log.error("%s is refused, %s:\n%s", name, still, error.message)
        self._pages[name] = page

    def _there(self) -> Iterator[tuple[str, tuple[Sequence[Path], Callable[[], tuple[RuleGroup, ...]]]]]:
        if self._folder.is_dir():
            for path, short in rule_files([self._folder]):
                yield short, ([path], lambda path=path, short=short: _one(path, short))  # type: ignore[misc]
        if self._slos is not None and self._slos.is_dir():
            from pitchey_slo.slo.spec.openslo import files_of

            slos = self._slos
            yield SLO_PAGE, (list(files_of([slos])), lambda: slo_groups(slos))


def slo_groups(folder: Path) -> tuple[RuleGroup, ...]:
    """The burn alerts of the SLOs in a folder. An SLO that cannot be said in PromQL has none, which the log says."""
    from pitchey_slo.slo.alerts import burn_rules
    from pitchey_slo.slo.spec.openslo import read

    groups = []
    for slo in read(folder).slos:
        try:
            groups.append(burn_rules.rules(slo).as_dict())
        except ConfigError:
            raise
        except PitcheyError as error:
            log.warning("%s has no burn alerts: %s", slo.name, error.message)
    return rules_of(groups, file=SLO_PAGE)


def _one(path: Path, short: str) -> tuple[RuleGroup, ...]:
    groups, problems = read_file(path, short)
    raise_all(problems)
    return tuple(groups)


def _stamp(file: Path) -> tuple[object, ...]:
    there = file.stat()
    return str(file), there.st_mtime_ns, there.st_ctime_ns, there.st_size, there.st_ino


def _content(file: Path) -> bytes:
    return str(file).encode() + b"\0" + file.read_bytes()
