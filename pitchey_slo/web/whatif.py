"""What other numbers of a rule would have done: worked out by a process of its own, so that nothing else waits.

The process reads the lake as any notebook does, with a bound on time and memory, and its answer is kept for as long as
a meeting looks at it: the same rule and days again cost nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import sys
import time
from typing import Final

from fastapi import APIRouter, Request, Response

from pitchey_slo.errors import NotFound, QueryError, RequestError, StoreUnavailable
from pitchey_slo.web.auth import needs
from pitchey_slo.web.errors import answer
from pitchey_slo.web.house import House, house_of
from pitchey_slo.web.slos import parameters

router = APIRouter(tags=["decisions"])

SECONDS: Final = 90.0
#: Seconds one request waits for an answer.
WAIT: Final = 10.0
MEMORY: Final = 6 << 30
#: How long an answer is kept, and how many.
KEEP_SECONDS: Final = 300.0
KEPT: Final = 32


class WhatIfs:
    """One per application. Two rules at a time; whoever asks for the same one shares the answer."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._found: dict[tuple[str, int], tuple[float, asyncio.Task[bytes]]] = {}
        self._free = asyncio.Semaphore(2)

    async def ask(self, rule: str, days: int) -> bytes | None:
        """The JSON of `wb.whatif`; None when it is not done yet after `WAIT` seconds: ask again. Raises what the
        process says, StoreUnavailable when it takes too long."""
        now = time.monotonic()
        for key, (made, task) in list(self._found.items()):
            stale = task.done() and (now - made > KEEP_SECONDS or task.cancelled() or task.exception() is not None)
            if stale or len(self._found) > KEPT:
                self._found.pop(key)
        if (rule, days) not in self._found:
            self._found[rule, days] = (now, asyncio.create_task(self._work(rule, days)))
        task = self._found[rule, days][1]
        await asyncio.wait({task}, timeout=WAIT)
        return task.result() if task.done() else None

    async def _work(self, rule: str, days: int) -> bytes:
        settings = self._house.settings
        env = {**os.environ, "PITCHEY_HOME": str(settings.home.resolve())}
        env |= {"PITCHEY_CONFIG": str(settings.config.resolve())}
        if settings.lake:
            env["PITCHEY_LAKE"] = settings.lake
        command = (sys.executable, "-m", "pitchey_slo", "rules", "whatif", "--last", f"{days}d", "--", rule)
        async with self._free:
            process = await asyncio.create_subprocess_exec(
                *command, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
            )
            _bound(process.pid)
            try:
                out, told = await asyncio.wait_for(process.communicate(), SECONDS)
            except TimeoutError:
                raise StoreUnavailable(f"it took more than {SECONDS:g} s; ask for fewer days") from None
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
        if process.returncode:
            raise _problem(rule, told.decode("utf-8", "replace"))
        return out.strip()


def _bound(pid: int) -> None:
    """From outside, since code between fork and exec of a process with threads may hang. Where the system has no such
    limits the bound on time is all there is."""
    with contextlib.suppress(OSError, AttributeError):
        resource.prlimit(pid, resource.RLIMIT_AS, (MEMORY, MEMORY))
        os.setpriority(os.PRIO_PROCESS, pid, 5)


def _problem(rule: str, told: str) -> QueryError | NotFound:
    words = " ".join(told.split())[-1_000:].removeprefix("error: ")
    return NotFound(words) if "no alerting rule" in words else QueryError(words or f"{rule}: nothing was found out")


@router.get("/api/monitoring/review/whatif", **needs("read"))
async def whatif(request: Request) -> Response:
    """`?rule=NAME-or-key&days=28`: every threshold and `for` of a rule with what it would have caught, fired and paged.
    Seconds of work, kept for five minutes; 202 and `{"working": true}` when it is not done yet: ask again."""
    given = parameters(request, ("rule", "days"))
    rule, days = given.get("rule", ""), given.get("days", "28")
    if not rule or len(rule) > 65_536:
        raise RequestError("rule is missing: the name or key of an alerting rule")
    if not days.isascii() or not days.isdigit() or not 1 <= int(days) <= 400:
        raise RequestError(f"days={days[:20]!r}; a whole number from 1 to 400")
    whatifs: WhatIfs = request.app.state.whatifs
    house_of(request).opened()
    found = await whatifs.ask(rule, int(days))
    return answer({"working": True}, 202) if found is None else Response(found, media_type="application/json")
