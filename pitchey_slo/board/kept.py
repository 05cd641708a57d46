"""Answers of widgets that are still good."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Final

#: Answers that are kept.
MOST_KEPT: Final = 1_000


class Kept:
    """Answers of widgets that are still good, for any number of threads; the oldest go when there are too many."""

    def __init__(self, most: int = MOST_KEPT, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._found: OrderedDict[Hashable, tuple[float, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Any:
        """What is kept and still good; None otherwise."""
        with self._lock:
            until, found = self._found.get(key, (0.0, None))
        return found if self._clock() < until else None

    def put(self, key: Hashable, found: Any, seconds: float) -> None:
        with self._lock:
            self._found[key] = (self._clock() + seconds, found)
            self._found.move_to_end(key)
            while len(self._found) > self._most:
                self._found.popitem(last=False)
