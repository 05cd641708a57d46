"""Which rules could find something in a text, decided in one pass by RE2, in linear time whatever the text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

_MEMORY: Final = 32 << 20


def either(patterns: Iterable[str]) -> str:
    """One pattern that matches where any of these does."""
    return "|".join(f"(?:{pattern})" for pattern in patterns)


class Gate:
    """Names by pattern (RE2). RE2 gives up silently when its automaton outgrows the memory it may use; the empty
    pattern matches every text, so that an answer without it is known to be no answer, and then all gates are open."""

    def __init__(self, patterns: Mapping[str, Iterable[str]]) -> None:
        import re2

        options = re2.Options()
        options.max_mem = _MEMORY
        options.log_errors = False
        self._set: Any = re2.Set.SearchSet(options)
        self._names: list[str] = [""]
        self._set.Add("")
        self.patterns: list[str] = []
        for name, several in patterns.items():
            for pattern in several:
                self._set.Add(pattern)
                self._names.append(name)
                self.patterns.append(pattern)
        self._set.Compile()
        #: all patterns as one, for pyarrow, whose RE2 falls back to a slower way and is never wrong
        self.any = either(self.patterns)
        self._all = frozenset(self._names) - {""}
        self._answers: dict[tuple[int, ...], frozenset[str]] = {(0,): frozenset()}

    def open(self, text: str) -> frozenset[str]:
        """Names whose patterns match."""
        try:
            hits = tuple(self._set.Match(text))
        except UnicodeEncodeError:  # half of a surrogate pair
            return self._all
        found = self._answers.get(hits)
        if found is None:
            found = frozenset(self._names[i] for i in hits) - {""} if 0 in hits else self._all
            if len(self._answers) < 4_096:
                self._answers[hits] = found
        return found
