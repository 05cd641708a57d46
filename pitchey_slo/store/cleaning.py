"""What happens to everything before it may be written: personal data and secrets out, fingerprints of log lines in.

Every way in ends at the store, so this is the one place that all rows and all labels pass. It is done in the caller's
thread, before the writer sees the rows: nothing unclean reaches the file, its log or the lake.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pyarrow as pa

from pitchey_slo.logs.fingerprint import fill
from pitchey_slo.scrub import Scrubber
from pitchey_slo.series import Labels, SampleBatch, labels_of
from pitchey_slo.tables import LOGS

#: Whose labels they are, in counts and in `sources:` of scrubbing.yml.
SERIES: Final = "series"
#: Label sets whose clean form is remembered; when there are more, all are forgotten.
MOST: Final = 200_000


class Cleaning:
    """Rows and labels as they may be stored. Any thread may ask."""

    def __init__(self, scrubber: Scrubber) -> None:
        self.scrubber = scrubber
        self._clean: dict[Labels, Labels] = {}

    def rows(self, table: str, rows: pa.Table) -> pa.Table:
        """Rows of `table`, the same number in the same order."""
        clean = self.scrubber.rows(table, rows)
        return fill(clean) if table == LOGS.name else clean

    def samples(self, batch: SampleBatch) -> SampleBatch:
        """The batch with clean labels."""
        labels = [self._clean.get(pairs) or self._cleaned(pairs) for pairs in batch.labels]
        return batch if labels == batch.labels else replace(batch, labels=labels)

    def _cleaned(self, pairs: Labels) -> Labels:
        given = dict(pairs)
        clean = pairs  # a name twice, or no UTF-8: the index refuses it and says so
        if len(given) == len(pairs) and all(_is_text(name) and _is_text(value) for name, value in pairs):
            found = self.scrubber.labels(given, source=SERIES)
            same_names = list(found) == list(given)
            clean = tuple(each for each in found.items() if each[1]) if same_names else labels_of(found)
        if len(self._clean) >= MOST:
            self._clean.clear()
        return self._clean.setdefault(pairs, pairs if clean == pairs else clean)


def _is_text(text: str) -> bool:
    """False with a lone surrogate in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
