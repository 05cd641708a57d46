"""What Cloudflare's word about an invocation means for the request it served.

`cloudflare.outcome` says how the Worker ended, not what it answered: `ok` can carry a 500, and so a status always wins.
Without one the outcome says what the client saw. A JavaScript exception is error 1101 and an exceeded limit error
1102, pages that Cloudflare answers instead of the Worker (Workers documentation, "Errors and exceptions"). The names
are those of workerd's EventOutcome.
"""

from __future__ import annotations

from typing import Any, Final

from pitchey_slo.collect.otlp.records import CLIENT, Attributes

#: outcome -> status of a request that has none; None: nothing can be said.
STATUS: Final[dict[str, int | None]] = {
    "exception": 500,
    "exceededCpu": 503,
    "exceededMemory": 503,
    "exceededWallTime": 503,
    "scriptNotFound": 500,
    "daemonDown": 503,
    "killSwitch": 503,
    "loadShed": 503,
    "internalError": 500,
    "canceled": 0,
    "responseStreamDisconnected": 0,
    "ok": None,
    "unknown": None,
}
#: Outcomes after which a log line is an error whatever it says of itself; that a client went away is none.
FAILED: Final = frozenset(outcome for outcome, status in STATUS.items() if status)


def outcome(attributes: Attributes) -> str | None:
    found = attributes.get("cloudflare.outcome")
    return found if isinstance(found, str) else None


def is_handler(attributes: Attributes, kind: int) -> bool:
    """Whether a span is an invocation by HTTP; Cloudflare does not promise to mark it as a server's."""
    if kind == CLIENT:
        return False
    handler: Any = attributes.get("cloudflare.handler_type")
    trigger = "cloudflare.outcome" in attributes and attributes.get("faas.trigger") == "http"
    return handler == "fetch" or (handler is None and trigger)
