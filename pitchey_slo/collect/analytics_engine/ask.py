"""One question to the SQL API: within its time and its bytes, without following redirects, without ever showing the
token.

Every way it can go wrong becomes a PullError whose `kind` says what may help:

    auth        401, 403: the token is wrong, or lacks Account Analytics: Read
    refused     400, 404, 405, 422 ...: the account, the dataset or a column is not there
    limited     429: too many questions; wait
    busy        5xx, no connection: wait
    slow        no answer in time: ask for less, wait
    too_big     more rows, bytes or work than allowed: ask for less
    unreadable  not the JSON that is documented, or cut off: ask again
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

import orjson
from pydantic import SecretStr

from pitchey_slo.errors import ConfigError, PullError

if TYPE_CHECKING:
    import httpx

Row = dict[str, Any]
Clock = Callable[[], datetime]

#: Seconds that one question may take in all, and each step of it.
SECONDS: Final = 60.0
STEP: Final = 15.0
_ACCOUNT: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
#: What ClickHouse and its kin say when a question asked for too much.
_TOO_MUCH: Final = re.compile(
    r"(memory|time|size|rows|bytes|result|query)[^.\n]{0,60}(limit|exceeded|too (large|big))", re.I
)


class Api(Protocol):
    """What a puller asks. `ask` raises PullError."""

    def ask(self, sql: str) -> list[Row]: ...


class SqlApi:
    """The SQL API of one account. One connection is kept; `close` ends it. Any one thread at a time.

    `limit` bytes an answer may have, decompressed; `seconds` a question may take. Raises ConfigError for an account
    that cannot be one.
    """

    def __init__(
        self,
        base: str,
        account: str,
        token: SecretStr,
        *,
        limit: int,
        clock: Clock,
        seconds: float = SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if not _ACCOUNT.fullmatch(account):
            hint = "the account id of Cloudflare's dashboard: 32 hexadecimal digits"
            raise ConfigError(f"{account!r} is no account", key="CLOUDFLARE_ACCOUNT_ID", hint=hint)
        self._url = f"{base.rstrip('/')}/accounts/{account}/analytics_engine/sql"
        self._token, self._limit, self._clock = token, limit, clock
        self._seconds, self._monotonic = seconds, monotonic
        self._client: httpx.Client | None = None

    def ask(self, sql: str) -> list[Row]:
        """The rows of the answer, as they came."""
        import httpx

        try:
            status, kind, retry, body = self._exchange(sql)
        except httpx.TimeoutException:
            raise PullError(f"no answer within {self._seconds:g} s", "slow") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise PullError(self._clean(f"{type(error).__name__}: {error}"), "busy") from None
        if status != 200:
            raise self._refusal(status, kind, retry, body)
        return self._rows(body, kind)

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _exchange(self, sql: str) -> tuple[int, str, str | None, bytes]:
        import httpx

        if self._client is None:
            self._client = httpx.Client(
                follow_redirects=False,
                trust_env=False,  # a proxy of the environment must not see the token
                timeout=httpx.Timeout(min(STEP, self._seconds), read=self._seconds),
                verify=self._url.startswith("https:"),
                headers={"User-Agent": "pitchey-slo", "Content-Type": "text/plain; charset=utf-8"},
            )
        until, parts, size = self._monotonic() + self._seconds, [], 0
        headers = {"Authorization": f"Bearer {self._token.get_secret_value()}"}
        with self._client.stream("POST", self._url, content=sql.encode(), headers=headers) as answer:
            for part in answer.iter_bytes():
                size += len(part)
                if size > self._limit:
                    raise PullError(f"the answer has more than {self._limit:,} bytes", "too_big")
                if self._monotonic() > until:
                    raise PullError(f"the answer was not over after {self._seconds:g} s", "slow")
                parts.append(part)
            told = answer.headers
            return answer.status_code, told.get("content-type", ""), told.get("retry-after"), b"".join(parts)

    def _refusal(self, status: int, kind: str, retry: str | None, body: bytes) -> PullError:
        said = self._clean(_said(body, kind))
        message = f"status {status}" + (f": {said}" if said else "")
        after = _seconds(retry, self._clock())
        if status in (401, 403):
            hint = "CLOUDFLARE_API_TOKEN needs the permission Account Analytics: Read on this account"
            return PullError(f"{message} ({hint})", "auth")
        if status == 429:
            return PullError(message, "limited", retry_after=after)
        if status == 413 or _TOO_MUCH.search(said):
            return PullError(message, "too_big")
        if status in (408, 504, 524):
            return PullError(message, "slow", retry_after=after)
        if status >= 500:
            return PullError(message, "busy", retry_after=after)
        if 300 <= status < 400:
            message += ": redirects are not followed; is CLOUDFLARE_API_URL right?"
        return PullError(message, "refused")

    def _rows(self, body: bytes, kind: str) -> list[Row]:
        try:
            told = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            said = self._clean(_said(body, kind))
            raise PullError(f"the answer is cut off or no JSON ({error.msg}): {said}", "unreadable") from None
        if isinstance(told, dict) and told.get("success") is False:
            raise PullError(self._clean(f"status 200, but: {_said(body, 'application/json')}"), "busy")
        rows = told.get("data") if isinstance(told, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise PullError("the answer is JSON without rows under `data`", "unreadable")
        if told.get("rows") is not None and str(told["rows"]) != str(len(rows)):
            raise PullError(f"the answer has {len(rows):,} rows and says {told['rows']}", "unreadable")
        return rows

    def _clean(self, text: str) -> str:
        return text.replace(self._token.get_secret_value(), "[token]")


def _said(body: bytes, kind: str) -> str:
    """What an answer that is no answer says, in one line: Cloudflare's envelope of errors, a page's title, or text."""
    text = body[:20_000].decode("utf-8", "replace").strip()
    try:
        told = orjson.loads(body) if len(body) < 100_000 else None
    except orjson.JSONDecodeError:
        told = None
    errors = told.get("errors") if isinstance(told, dict) else None
    if isinstance(errors, list):
        text = "; ".join(f"{e.get('code', '')} {e.get('message', '')}".strip() for e in errors if isinstance(e, dict))
    elif "html" in kind or text[:1] == "<":
        title = re.search(r"<title[^>]*>([^<]{1,200})", text, re.I)
        text = f"a web page{f' titled {title[1].strip()!r}' if title else ''} where rows belong"
    line = " ".join(text.split())
    return "".join(c if c.isprintable() else "?" for c in line[:300])


def _seconds(header: str | None, now: datetime) -> float | None:
    """Retry-After: seconds, or a date."""
    if header is None:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds())
