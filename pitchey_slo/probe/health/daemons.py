"""An executor whose threads nobody waits for: a name server that hangs must not keep the process from ending.

Python's own executor joins all its threads at exit, and `getaddrinfo` has no time limit.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

#: Threads at once; further work is refused, so that a name server that hangs for hours costs no memory.
MOST: Final = 64


class Daemons(ThreadPoolExecutor):
    """A thread of its own for every call; a subclass, since asyncio takes nothing else as its default executor."""

    def __init__(self, most: int = MOST) -> None:
        super().__init__(max_workers=1)
        self._room = threading.BoundedSemaphore(most)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Raises RuntimeError when too many calls hang."""
        if not self._room.acquire(blocking=False):
            raise RuntimeError("too many calls hang, such as questions to a name server")
        future: Future[Any] = Future()

        def run() -> None:
            try:
                if future.set_running_or_notify_cancel():
                    try:
                        future.set_result(fn(*args, **kwargs))
                    except BaseException as error:  # noqa: BLE001  # the caller is told
                        future.set_exception(error)
            finally:
                self._room.release()

        threading.Thread(target=run, name="probe", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Waits for nothing."""
