"""The server's API, as the dashboards ask it: asynchronously, with a token, told errors as sentences."""

from __future__ import annotations

from typing import Any

import httpx
import orjson

from pitchey_slo.client import error_of
from pitchey_slo.errors import StoreUnavailable

#: Seconds for one answer: a board over 90 days on a busy machine.
PATIENCE = 30.0
Given = list[tuple[str, str | int | float | bool | None]] | None
#: Bytes of an answer, at most.
MOST = 64 << 20


class Api:
    """One per process. `token` is the process's own."""

    def __init__(self, url: str, token: str) -> None:
        self._token = token
        self._client = httpx.AsyncClient(
            base_url=url,
            timeout=httpx.Timeout(PATIENCE, connect=5),
            limits=httpx.Limits(max_connections=16, max_keepalive_connections=8),
            trust_env=False,  # a proxy of the environment must not see the token
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def read(self, path: str, given: Given = None) -> bytes:
        """The bytes of an answer to GET. Raises PitcheyError: what the server says, or that it cannot be reached."""
        return await self._exchange("GET", path, given=given)

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        given: Given = None,
    ) -> Any:
        """The JSON answer, with the person's `token` or else the process's own. Raises PitcheyError."""
        content = None if body is None else orjson.dumps(body)
        found = await self._exchange(method, path, content=content, token=token, given=given)
        return orjson.loads(found) if found else None

    async def _exchange(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        token: str | None = None,
        given: Given = None,
    ) -> bytes:
        headers = {"Authorization": f"Bearer {token or self._token}", "Content-Type": "application/json"}
        try:
            answer = await self._client.request(method, path, params=given, content=content, headers=headers)
        except httpx.HTTPError as error:
            raise StoreUnavailable(f"the server does not answer ({type(error).__name__})") from None
        if answer.status_code >= 300:
            raise error_of(_json(answer.content), answer.status_code)
        if len(answer.content) > MOST:
            raise StoreUnavailable(f"the answer has {len(answer.content):,} bytes; choose a shorter range")
        return answer.content


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except ValueError:
        return None
