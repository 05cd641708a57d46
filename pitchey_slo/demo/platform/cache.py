"""Lists in Redis for a few seconds. Without it, or while it does not answer, everything works, only slower."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from redis.asyncio import Redis

#: Seconds an answer of the cache may take, how long what it holds is good, and how long it is left alone after trouble.
PATIENCE: Final = 0.25
FRESH: Final = 10
PAUSE: Final = 5.0


class Cache:
    """`url` None: there is none. `state` is healthy, degraded while it does not answer, or none."""

    def __init__(self, url: str | None) -> None:
        self._url = url
        self._redis: Redis | None = None
        self._again = 0.0

    @property
    def state(self) -> str:
        if self._url is None:
            return "none"
        return "healthy" if time.monotonic() >= self._again else "degraded"

    async def get(self, key: str) -> bytes | None:
        found = await self._ask(lambda redis: redis.get(key))
        return found if isinstance(found, bytes) else None

    async def put(self, key: str, value: bytes) -> None:
        await self._ask(lambda redis: redis.set(key, value, ex=FRESH))

    async def drop(self, *keys: str) -> None:
        await self._ask(lambda redis: redis.delete(*keys))

    async def ping(self) -> None:
        """Find out how it is."""
        await self._ask(lambda redis: redis.ping())

    async def close(self) -> None:
        redis, self._redis = self._redis, None
        if redis is not None:
            await redis.connection_pool.disconnect(inuse_connections=True)

    async def _ask(self, work: Any) -> Any:
        if self._url is None or time.monotonic() < self._again:
            return None
        from redis.asyncio import Redis
        from redis.exceptions import RedisError

        self._redis = self._redis or Redis.from_url(self._url, socket_connect_timeout=PATIENCE)
        try:
            async with asyncio.timeout(PATIENCE):
                return await work(self._redis)
        except (OSError, RedisError, TimeoutError):
            self._again = time.monotonic() + PAUSE
            await self.close()
            return None
