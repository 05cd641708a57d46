"""The HTTP side of the door: rows and orders for a server that already owns the store.

`find_server(home)` reads `<home>/server.json`, which a running server writes for its own user only, and makes sure that
the server is alive and the one that wrote it. `HttpDoor` then sends rows as Arrow, and tries again what may succeed
later. A batch carries a name (`Idempotency-Key`): an answer that was lost on the way is asked for again without storing
anything twice.
"""

from __future__ import annotations

import os
import random
import time
import uuid
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa

from pitchey_slo import errors
from pitchey_slo.errors import BadRows, BodyTooLarge, PitcheyError, StoreUnavailable
from pitchey_slo.names import SERVER_FILE

if TYPE_CHECKING:
    import httpx

    from pitchey_slo.analyse.review.decisions import Verdict
    from pitchey_slo.series import SampleBatch
    from pitchey_slo.slo.model import Correction
    from pitchey_slo.store import Receipt, Removed, SampleReceipt

#: Bytes of one request, at most: a fraction of the server's default limit, so that several senders share its memory.
REQUEST_BYTES = 16 << 20
#: Seconds a transient refusal is tried again before it is given up: longer than a restart of the server takes.
PATIENCE = 60.0
ARROW = "application/vnd.apache.arrow.stream"

_STATUS_ERRORS: dict[str, type[PitcheyError]] = {
    kind.reason: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, PitcheyError) and kind is not errors.RateLimited
}


@dataclass(frozen=True)
class ServerInfo:
    """What a running server says of itself in `<home>/server.json`; `token` is an admin token of this run only,
    `dashboards` where people look, if it runs them."""

    url: str
    pid: int
    token: str
    started_at: datetime
    dashboards: str | None = None

    def write(self, home: Path) -> None:
        """Atomically, readable by this user only."""
        draft = home / f".{SERVER_FILE}.{self.pid}"
        draft.unlink(missing_ok=True)
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "wb") as handle:
            handle.write(orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2))
        draft.replace(home / SERVER_FILE)

    def remove(self, home: Path) -> None:
        """Take the file away, unless another server has written its own meanwhile."""
        if read_info(home) == self:
            (home / SERVER_FILE).unlink(missing_ok=True)


def read_info(home: Path) -> ServerInfo | None:
    """What `<home>/server.json` says; None when there is none, or it is not readable as one."""
    try:
        found = orjson.loads((home / SERVER_FILE).read_bytes())
        return ServerInfo(
            str(found["url"]),
            int(found["pid"]),
            str(found["token"]),
            datetime.fromisoformat(found["started_at"]),
            found.get("dashboards"),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def find_server(home: Path) -> ServerInfo | None:
    """The server that runs on `home`, or None: no file, its process is gone, or another server answers there now."""
    info = read_info(home)
    if info is None or not _alive(info.pid):
        return None
    import httpx  # a tenth of a second that a command without a server need not pay

    try:
        found = httpx.get(f"{info.url}/api/health/live", timeout=5, trust_env=False).json()
        same = datetime.fromisoformat(found["started_at"]) == info.started_at
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None
    return info if same else None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # alive, another user's
        return True
    return True


class HttpDoor:
    """Rows and orders to the server behind `info`. A context manager; one per thread."""

    def __init__(self, info: ServerInfo, *, patience: float = PATIENCE) -> None:
        import httpx

        self.info = info
        self._patience = patience
        self._client: httpx.Client = httpx.Client(
            base_url=info.url,
            headers={"Authorization": f"Bearer {info.token}"},
            timeout=httpx.Timeout(60, connect=5, read=300),  # a backup of a large lake takes minutes
            trust_env=False,  # a proxy of the environment must not see the token
            verify=info.url.startswith("https:"),  # reading certificates nobody shows takes 20 ms of each command
        )

    def __enter__(self) -> HttpDoor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def append(self, table: str, rows: pa.Table) -> Receipt:
        """Send `rows`, as many requests as needed; returns after all are stored durably.

        Raises BadRows when the server refuses some (they did not conform; the others are stored), a transient error
        when patience is over: what was stored by then stays.
        """
        from pitchey_slo.store import Receipt  # here, since it brings the database, which a client does not need

        stored = duplicates = seq = 0
        for part in split(rows, REQUEST_BYTES):
            receipt = self._send(table, part, str(uuid.uuid4()))
            stored, duplicates, seq = stored + receipt.stored, duplicates + receipt.duplicates, receipt.commit_seq
        return Receipt(stored, duplicates, seq)

    def samples(self, batch: SampleBatch, *, backfill: bool = False) -> Future[SampleReceipt]:
        """As `Store.samples`; the future is done when it is returned. Of what was refused the first few are told, by
        message, and `series` is 0."""
        from pitchey_slo.collect.prometheus.sample_rows import encode_samples
        from pitchey_slo.series import RefusedSample
        from pitchey_slo.store import SampleReceipt

        path = f"/api/monitoring/metrics?backfill={'true' if backfill else 'false'}"
        try:
            told = self._exchange("POST", path, encode_samples(batch), {"Content-Type": ARROW})
        except BadRows as error:
            told = error.detail
        refused = [RefusedSample(0, r["reason"], f"{r['series']}: {r['message']}") for r in told["samples"]]
        done: Future[SampleReceipt] = Future()
        done.set_result(
            SampleReceipt(told["stored"], told["duplicates"], refused, told["reasons"], told["commit_seq"] or 0)
        )
        return done

    def flush(self) -> None:
        """Everything acknowledged so far to the lake."""
        self.ask("POST", "/api/monitoring/admin/flush")

    def backup(self, folder: Path) -> Path:
        """A consistent snapshot below `folder`; returns its path."""
        return Path(self.ask("POST", "/api/monitoring/admin/backup", {"folder": str(folder.absolute())})["path"])

    def retention(self, *, dry_run: bool = False) -> list[Removed]:
        """Remove what is older than its table keeps."""
        from pitchey_slo.store import Removed

        answer = self.ask("POST", "/api/monitoring/admin/retention", {"dry_run": dry_run})
        return [Removed(**{**entry, "cutoff": datetime.fromisoformat(entry["cutoff"])}) for entry in answer["removed"]]

    def tokens(self) -> list[dict[str, Any]]:
        """All tokens, without secrets."""
        return list(self.ask("GET", "/api/monitoring/tokens")["tokens"])

    def create_token(self, name: str, scopes: list[str], days: int | None = 365) -> str:
        """The text of a new token; it cannot be seen again."""
        return str(self.ask("POST", "/api/monitoring/tokens", {"name": name, "scopes": scopes, "days": days})["token"])

    def revoke_token(self, token_id: str) -> None:
        from urllib.parse import quote

        self.ask("DELETE", f"/api/monitoring/tokens/{quote(token_id, safe='')}")

    def correct(self, correction: Correction) -> dict[str, Any]:
        """Write a checked correction down; the same sent again changes nothing. Raises SloError."""
        last = correction.starts_at + timedelta(seconds=correction.seconds)
        same = ("id", "category", "reason", "approver", "rrule", "zone")
        body = {name: getattr(correction, name) for name in same} | {
            "slos": list(correction.slos),
            "start": correction.starts_at.isoformat(),
            "end": last.isoformat(),
            "source": correction.source[:64],
        }
        return dict(self.ask("POST", "/api/monitoring/corrections", body))

    def withdraw_correction(self, correction_id: str, by: str) -> dict[str, Any]:
        """Take a correction back. Raises NotFound."""
        from urllib.parse import quote

        return dict(self.ask("DELETE", f"/api/monitoring/corrections/{quote(correction_id, safe='')}", {"by": by}))

    def decide(self, verdict: Verdict) -> dict[str, Any]:
        """Write a decision about a rule down. Raises DecisionError, NotFound."""
        again = verdict.look_again_at
        body = {
            "rule": verdict.rule,
            "kind": verdict.kind,
            "reason": verdict.reason,
            "by": verdict.decided_by,
            "threshold": verdict.threshold,
            "for": verdict.hold,
            "was": verdict.was,
            "look_again_at": again and again.isoformat(),
            "evidence": dict(verdict.evidence),
            "rule_hash": verdict.rule_hash,
            "id": verdict.id,
            "source": verdict.source[:64],
        }
        return dict(self.ask("POST", "/api/monitoring/decisions", body))

    def apply_decision(self, decision_id: str, by: str) -> dict[str, Any]:
        """Change the rule file as it was decided. Raises DecisionError, NotFound."""
        return dict(self.ask("POST", f"/api/monitoring/decisions/{_quoted(decision_id)}/apply", {"by": by}))

    def revert_decision(self, decision_id: str, by: str) -> dict[str, Any]:
        """Take an applied change back. Raises DecisionError, NotFound."""
        return dict(self.ask("POST", f"/api/monitoring/decisions/{_quoted(decision_id)}/revert", {"by": by}))

    def _send(self, table: str, rows: pa.Table, key: str) -> Receipt:
        from pitchey_slo.store import Receipt

        headers = {"Content-Type": ARROW, "Idempotency-Key": key}
        try:
            answer = self._exchange("POST", f"/api/monitoring/events/{table}", encode(rows), headers)
        except BodyTooLarge:
            if rows.num_rows < 2:
                raise
            half = rows.num_rows // 2  # this server's limit is lower than ours
            first, second = (self._send(table, part, f"{key}.{i}") for i, part in enumerate((rows[:half], rows[half:])))
            return Receipt(
                first.stored + second.stored,
                first.duplicates + second.duplicates,
                max(first.commit_seq, second.commit_seq),
            )
        if answer["rejected"]:
            first_bad = answer["rows"][0]["message"]
            raise BadRows(f"the server refused {answer['rejected']} rows, the first: {first_bad}", detail=answer)
        return Receipt(answer["stored"], answer["duplicates"], answer["commit_seq"] or 0)

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The JSON answer of any path. Raises what the server says, as the exception that it stands for."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        return self._exchange(method, path, orjson.dumps(body) if body is not None else b"", headers)

    def _exchange(self, method: str, path: str, body: bytes | memoryview, headers: dict[str, str]) -> Any:
        """One answer; what may succeed later is tried again until patience is over."""
        deadline, backoff = time.monotonic() + self._patience, 0.1
        while True:
            error, wait = self._try(method, path, body, headers)
            if isinstance(error, dict):
                return error
            # spread out, so that many senders do not come back in one moment
            pause = max(backoff, wait) * random.uniform(1.0, 1.2)
            if not error.transient or time.monotonic() + pause > deadline:
                raise error
            time.sleep(pause)
            backoff = min(backoff * 2, 5.0)

    def _try(
        self, method: str, path: str, body: bytes | memoryview, headers: dict[str, str]
    ) -> tuple[dict[str, Any] | PitcheyError, float]:
        """The answer, or the error and the seconds the server asks to wait."""
        import httpx

        try:
            response = self._client.request(method, path, content=bytes(body), headers=headers)
            answer = orjson.loads(response.content)
        except httpx.TransportError as error:
            return StoreUnavailable(f"{self.info.url} cannot be reached: {error or type(error).__name__}"), 0.0
        except orjson.JSONDecodeError:
            # hypercorn answers without a body while it closes a connection
            return StoreUnavailable(f"{self.info.url} answered {response.status_code} without JSON"), 0.0
        if response.is_success:
            return answer, 0.0
        return error_of(answer, response.status_code), _seconds(response.headers.get("retry-after"))


def _quoted(part: str) -> str:
    from urllib.parse import quote

    return quote(part, safe="")


def error_of(answer: Any, status: int) -> PitcheyError:
    """The exception a refusal stands for, of the class that was raised in the server."""
    told = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(told, dict):
        return StoreUnavailable(f"status {status} without a reason")
    message, reason = str(told.get("message")), str(told.get("reason"))
    if reason == "rate_limited":
        return errors.RateLimited(message, retry_after=1, detail=told.get("detail"))
    kind = _STATUS_ERRORS.get(reason)
    if kind is None or issubclass(kind, errors.ConfigError):
        return PitcheyError(message, reason=reason, detail=told.get("detail"))
    return kind(message, detail=told.get("detail"))


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isdigit() else 0.0


def split(rows: pa.Table, limit: int) -> list[pa.Table]:
    """`rows` in parts of about `limit` bytes each; no part when there are no rows."""
    parts = max(1, -(-rows.nbytes // limit))
    step = max(1, -(-rows.num_rows // parts))
    return [rows.slice(start, step) for start in range(0, rows.num_rows, step)]


def encode(rows: pa.Table) -> memoryview:
    """An Arrow stream, not compressed: on one machine lz4 costs more time than it saves (benchmarks/ingest_http.py)."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return memoryview(sink.getvalue())
