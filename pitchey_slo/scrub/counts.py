"""How often which rule found something, by source; bounded, since sources name themselves."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Final

MOST_SOURCES: Final = 1_000
OTHERS: Final = "(other)"


class Counts:
    """Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by: Counter[tuple[str, str]] = Counter()
        self._sources: set[str] = set()

    def add(self, rule: str, source: str, times: int = 1) -> None:
        with self._lock:
            if source not in self._sources:
                if len(self._sources) >= MOST_SOURCES:
                    source = OTHERS
                self._sources.add(source)
            self._by[rule, source] += times

    def all(self) -> dict[tuple[str, str], int]:
        with self._lock:
            return dict(self._by)
