"""One rule in its file: found by key or name, read, changed, written back whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pitchey_slo.alert.rule_book import SLO_PAGE
from pitchey_slo.alert.rules import Rule, read_file, rule_files
from pitchey_slo.analyse.review import numbers, patch
from pitchey_slo.errors import ConfigError, DecisionError, NotFound, did_you_mean


@dataclass(frozen=True)
class RuleText:
    """A rule and the text of its file. `short` is the file's name below the folder of rules, `line` where the rule
    begins, `at` where its own text stands."""

    path: Path
    short: str
    text: str
    at: patch.Place

    @classmethod
    def read(cls, path: Path, short: str, key: str) -> RuleText:
        """Raises ConfigError when the file is wrong, NotFound when the rule is not in it."""
        text = path.read_bytes().decode()
        return cls(path, short, text, patch.place(text, key, file=str(path), short=short))

    @property
    def rule(self) -> Rule:
        return self.at.rule

    @property
    def own(self) -> str:
        """The rule's own text."""
        return self.at.of(self.text)

    @property
    def hash(self) -> str:
        """Of the rule's own text: what a review was about."""
        return patch.hash_of(self.own)

    @property
    def file_hash(self) -> str:
        return patch.hash_of(self.text)

    @property
    def threshold(self) -> float | None:
        """The number its comparison compares with; None when there is none, or several."""
        found = numbers.thresholds(self.rule.expr)
        return found[0] if len(found) == 1 else None

    def changed(self, *, threshold: tuple[float, float] | None = None, hold: str | None = None) -> RuleText:
        """With another threshold, as (old, new), and another `for`. ConfigError when it cannot be had."""
        return self._with(patch.changed(self.text, self.at, threshold=threshold, hold=hold))

    def exchanged(self, before: str, after: str) -> RuleText:
        """With `after` where its own text is `before`. ConfigError when it is another one by now."""
        text = patch.exchanged(self.text, self.rule.key, before, after, file=str(self.path), short=self.short)
        return self._with(text)

    def diff(self, other: RuleText) -> str:
        """What is different in the file of `other`, as a unified diff."""
        return patch.diff(self.text, other.text, self.short)

    def write(self, over: RuleText) -> None:
        """Put this text in place of `over`, which must still be what the file holds."""
        path = self.path.resolve()
        if path.read_bytes() != over.text.encode():
            raise ConfigError("was changed this moment", file=self.path, hint="look at it, and try again")
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(self.text.encode())
                file.flush()
                os.fsync(file.fileno())
            shutil.copymode(path, name)
            Path(name).replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise

    def _with(self, text: str) -> RuleText:
        at = patch.place(text, self.rule.key, file=str(self.path), short=self.short)
        return RuleText(self.path, self.short, text, at)


def rule_text(folder: Path, name: str) -> RuleText:
    """The rule of this key, or the only one of this name (or `group/name`), below a folder of rule files.

    NotFound with a suggestion; DecisionError when several have the name, or when it is a burn alert of an SLO.
    """
    if name.partition(";")[0] == SLO_PAGE:
        raise DecisionError(
            f"{rule_name(name)} is a burn alert that an SLO spec makes, not a rule of a file; change the alerting of "
            "the SLO in config/slos (docs/slos.md)"
        )
    found: dict[str, tuple[Path, str]] = {}
    known: set[str] = set()
    for path, short in rule_files([folder]) if folder.is_dir() else ():
        for group in read_file(path, short)[0]:
            for rule in group.rules:
                known.add(rule.name)
                if name in (rule.key, rule.name, f"{group.name}/{rule.name}"):
                    found[rule.key] = path, short
    if not found:
        near = did_you_mean(rule_name(name), known) or "there are: " + (", ".join(sorted(known)) or "none")
        raise NotFound(f"no rule {name[:200]!r} in {folder}; {near}")
    if len(found) > 1:
        listed = " or ".join(f"{key.split(';')[1]}/{rule_name(key)}" for key in found)
        if len({key.split(";")[1] for key in found}) < len(found):
            listed = " or ".join(map(repr, found))
        raise DecisionError(f"{len(found)} rules are called {name!r}: say {listed}")
    key, (path, short) = next(iter(found.items()))
    return RuleText.read(path, short, key)


def rule_name(key: str) -> str:
    """
    >>> rule_name('rules.yml;critical;alert;HighErrorRate;[];0')
    'HighErrorRate'
    """
    parts = key.split(";")
    return parts[3] if len(parts) > 3 else key
