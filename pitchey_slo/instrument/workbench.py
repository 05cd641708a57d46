"""The workbench as a receiver: `POST /api/monitoring/events/{table}`, rows as NDJSON.

Each delivery has a name (`Idempotency-Key`) and each row an `event_id`: what is sent again because an answer was lost
is stored once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from pitchey_slo.instrument.delivery import Sent
from pitchey_slo.instrument.post import Answer, Post
from pitchey_slo.instrument.receiver import halves, judged, told


class Workbench:
    """Rows of one table. `url` is the server's address, `token` one with the scope `ingest`.

    Raises ConfigError for an address that is none.
    """

    def __init__(self, url: str, token: str | None, table: str, *, timeout: float = 10.0) -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._post = Post(f"{url.rstrip('/')}/api/monitoring/events/{table}", headers, timeout)

    def send(self, lines: Sequence[bytes], key: str) -> Sent:
        answer = self._post.send(b"\n".join(lines), content_type="application/x-ndjson", idempotency_key=key[-128:])
        if answer.status in (200, 422):
            return _counted(answer, lines)
        if answer.status == 413 and len(lines) > 1:
            return halves(self.send, lines, key)
        return judged(answer, lines)

    def forget(self) -> None:
        self._post.forget()


def _counted(answer: Answer, lines: Sequence[bytes]) -> Sent:
    """Rows are taken one by one: the good ones are stored though others are refused."""
    outcome = _outcome(answer)
    if outcome is None:
        return Sent(refused={f"status_{answer.status}": len(lines)}, trouble=told(answer))
    refused = {str(reason): int(count) for reason, count in outcome["reasons"].items()}
    trouble = str(outcome["rows"][0].get("message", ""))[:200] if outcome.get("rows") else ""
    return Sent(taken=int(outcome["stored"]) + int(outcome["duplicates"]), refused=refused, trouble=trouble)


def _outcome(answer: Answer) -> dict[str, Any] | None:
    try:
        body = orjson.loads(answer.body)
        found = body if answer.status == 200 else body["error"]["detail"]
        return found if {"stored", "duplicates", "reasons"} <= found.keys() else None
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None
