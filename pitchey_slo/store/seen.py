"""Which deliveries were seen: a set of 64-bit hashes that says "certainly new" or "look closer".

Exactness comes from the look closer (a semi-join on the real `source` and `event_id`, see `dedup.py`); this set only
spares that join for the rows that are new, which is nearly all of them. Eight bytes an entry.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]


class Seen:
    """Sorted runs, merged when neighbours are of like size: adding n hashes in batches costs O(n log n) in all, a
    look-up one binary search per run, and there are never more than about log(n) runs.

    >>> seen = Seen()
    >>> seen.add(np.array([1, 3], dtype=np.uint64))
    >>> seen.contains(np.array([1, 2], dtype=np.uint64)).tolist()
    [True, False]
    """

    def __init__(self) -> None:
        self._runs: list[Hashes] = []

    def __len__(self) -> int:
        return sum(len(run) for run in self._runs)

    def add(self, hashes: Hashes) -> None:
        """Remember `hashes` (sorted, repeats allowed)."""
        if not len(hashes):
            return
        run = hashes
        while self._runs and len(self._runs[-1]) <= 2 * len(run):
            # numpy's stable sort is a radix or tim sort: it finds the two sorted halves and merges them
            run = np.sort(np.concatenate([self._runs.pop(), run]), kind="stable")
        self._runs.append(run)

    def contains(self, hashes: Hashes) -> NDArray[np.bool_]:
        """For each hash whether it may have been seen; False is certain. Sorted hashes are found fastest."""
        found = np.zeros(len(hashes), dtype=np.bool_)
        for run in self._runs:
            at = np.searchsorted(run, hashes)
            at[at == len(run)] = 0
            found |= run[at] == hashes
        return found

    def clear(self) -> None:
        self._runs.clear()
