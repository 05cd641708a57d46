"""Logs of services: written as structured lines, whoever writes them, and read for what they say.

    from pitchey_slo import logs
    logs.configure(service="api")                   # console, and the workbench where PITCHEY_SLO_URL is set
    log = logs.get_logger(__name__)
    log.info("pitch viewed", pitch=7)               # and logging.getLogger(...) comes out the same

Each line becomes a row of the table `logs`: time, level, message, the trace, request, user (a keyed hash) and route it
belongs to, an exception as type, message and short stack, everything else as attributes. Personal data are taken out
before any destination sees the line; console, Elasticsearch, Loki and the workbench each have a bounded queue and a
thread, so that none of them can hold up the service; what does not fit is dropped, counted and told.

`fingerprint` gives lines of one saying one name, from the line alone: templates without numbers, ids and paths, stack
traces by their frames; `fill` works on whole columns. This room stores nothing and judges nothing: patterns over time
are `analyse.logs`, lines of files come in by `collect`. Light to import, since it runs inside other people's services.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pitchey_slo.logs.console import Console
from pitchey_slo.logs.elasticsearch import elasticsearch
from pitchey_slo.logs.fingerprint import fill, fingerprint, template
from pitchey_slo.logs.loki import loki
from pitchey_slo.logs.workbench import workbench

if TYPE_CHECKING:
    from pitchey_slo.logs.logger import Logs, bind, configure, get_logger, unbind

__all__ = [
    "Console", "Logs", "bind", "configure", "elasticsearch", "fill", "fingerprint", "get_logger", "loki", "template",
    "unbind", "workbench",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """structlog, which takes a while to import, waits until somebody logs."""
    if name in ("Logs", "bind", "configure", "get_logger", "unbind"):
        return getattr(importlib.import_module("pitchey_slo.logs.logger"), name)
    raise AttributeError(f"module 'pitchey_slo.logs' has no attribute {name!r}")
