"""R2, S3 or anything that speaks S3: a canary is put, read back, compared and taken away.

The canary has one name per host and check, so that at most one is left behind when taking it away fails.
"""

from __future__ import annotations

import re
import secrets
import socket
from dataclasses import dataclass
from typing import Any, Final

from pitchey_slo.probe.health.model import CheckKind, Context, Key, Measure, Seen, Trouble

_SIZE: Final = 1_024
_STATUS: Final = re.compile(r"status code: (\d{3})")


@dataclass(frozen=True)
class Storage:
    """`url` is the endpoint; empty for AWS itself."""

    url: str
    bucket: str
    access_key_id: str
    secret_access_key: str
    region: str = "auto"
    prefix: str = "pitchey-slo-canary"

    async def look(self, context: Context) -> Seen:
        from obstore import exceptions

        name = f"{self.prefix.strip('/')}/{socket.gethostname()}-{context.location}-{context.test}"
        values: dict[str, float] = {}
        try:
            return await self._exchange(context, name, values)
        except (exceptions.UnauthenticatedError, exceptions.PermissionDeniedError) as error:
            reason = f"the storage answers and does not let this check in: {_first_line(error)}"
            raise Trouble("probe_error", reason, phase=context.now_in, values=values) from error
        except (exceptions.BaseError, FileNotFoundError) as error:
            raise _trouble(error, context.now_in, values) from error

    async def _exchange(self, context: Context, name: str, values: dict[str, float]) -> Seen:
        store, said = self._store(), secrets.token_bytes(_SIZE)
        with _Timed(context, "put", "first_byte", values):
            await store.put_async(name, said)
        try:
            with _Timed(context, "get", "transfer", values):
                answer = await store.get_async(name)
                read = bytes(await answer.bytes_async())
                if read != said:
                    reason = f"what was read back ({len(read):,} bytes) is not what was put ({len(said):,} bytes)"
                    raise Trouble("body", reason, phase="transfer", answered=True, values=values)
        finally:
            with _Timed(context, "delete", "transfer", values):
                await store.delete_async(name)
        return Seen(values, bytes=len(read), more={"bucket": self.bucket})

    def _store(self) -> Any:
        from obstore.store import S3Store

        place: dict[str, Any] = {"endpoint": self.url} if self.url else {}
        return S3Store(
            self.bucket,
            **place,
            region=self.region,
            access_key_id=self.access_key_id,
            secret_access_key=self.secret_access_key,
            virtual_hosted_style_request=False,
            client_options={"allow_http": self.url.startswith("http://"), "timeout": "10m", "connect_timeout": "10m"},
            retry_config={"max_retries": 0},
        )


class _Timed:
    """Times one operation: `<name>_seconds`, and `<name>_ok` 1 or 0."""

    def __init__(self, context: Context, name: str, phase: str, values: dict[str, float]) -> None:
        self._context, self._name, self._values = context, name, values
        self._phase = context.phase(phase)

    def __enter__(self) -> None:
        self._phase.__enter__()
        self._values[f"{self._name}_ok"] = 0.0
        self._begin = self._context.monotonic()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if error is None:
            self._values[f"{self._name}_ok"] = 1.0
            self._values[f"{self._name}_seconds"] = self._context.monotonic() - self._begin
        self._phase.__exit__(kind, error, trace)


def _trouble(error: Exception, phase: str | None, values: dict[str, float]) -> Trouble:
    """object_store tells what went wrong in words only."""
    line, low = _first_line(error), str(error).lower()
    answered = _STATUS.search(line)
    if answered:
        status = int(answered[1])
        if status == 404:
            reason = f"the bucket, or the canary that was just put, is not there: {line}"
            return Trouble("assertion", reason, phase=phase, answered=True, status=status, values=values)
        return Trouble("http_status", line, phase=phase, answered=status < 500, status=status, values=values)
    if "dns error" in low or "failed to lookup" in low:
        return Trouble("dns", f"the name of the endpoint cannot be resolved: {line}", phase="dns", values=values)
    if "certificate" in low:
        failure = "cert_expiry" if "expired" in low else "tls"
        return Trouble(failure, f"the certificate is not to be trusted: {line}", phase="tls", values=values)
    if "error sending request" in low or "connect" in low:
        return Trouble("connect", f"no connection to the endpoint: {line}", phase="connect", values=values)
    return Trouble("body", line, phase=phase, values=values)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:500] if lines else type(error).__name__


STORAGE: Final = CheckKind(
    "storage",
    Storage,
    "a bucket in R2, S3 or the like takes, gives and removes an object",
    "storage",
    keys={
        "url": Key("url", "endpoint, such as https://ACCOUNT.r2.cloudflarestorage.com", required=True),
        "bucket": Key("text", "name of the bucket", required=True),
        "access_key_id": Key("secret", "access key", required=True),
        "secret_access_key": Key("secret", "secret key", required=True),
        "region": Key("text", "region; R2 wants auto", "auto"),
        "prefix": Key("text", "folder of the canary", "pitchey-slo-canary"),
    },
    needs=("obstore.store",),
    measures={
        **{
            f"{name}_seconds": Measure("s", f"the {name} of a canary", 1.0, 10.0, series="pitchey_storage_seconds",
                                       labels={"operation": name})
            for name in ("put", "get", "delete")
        },
        **{
            f"{name}_ok": Measure("", f"success of the {name} of a canary", series="pitchey_storage_success",
                                  labels={"operation": name})
            for name in ("put", "get", "delete")
        },
    },
)  # fmt: skip
