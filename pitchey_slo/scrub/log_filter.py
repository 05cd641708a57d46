"""The standard library's logging: a record is scrubbed before any handler writes it."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pitchey_slo.scrub.engine import Scrubber


class ScrubFilter(logging.Filter):
    """Lets every record through, scrubbed. For handlers: a logger's own filters do not see its children's records."""

    def __init__(self, scrubber: Scrubber, source: str) -> None:
        super().__init__()
        self._scrubber, self._source = scrubber, source

    def filter(self, record: logging.LogRecord) -> bool:
        scrubber, source = self._scrubber, self._source
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001  # arguments that do not fit: the handler would print both
            text = f"{record.msg} {record.args!r}"
        record.msg, record.args = scrubber.text(text, source=source), ()
        if record.exc_info and record.exc_info[1] is not None:
            record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        if record.exc_text:
            record.exc_text = scrubber.text(record.exc_text, source=source)
        record.exc_info = None if record.exc_text else record.exc_info
        if record.stack_info:
            record.stack_info = scrubber.text(record.stack_info, source=source)
        return True
