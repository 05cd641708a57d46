"""The end of a process, and its fork: what waits is sent before the end, by the process that took it, once.

Ends that are seen: the interpreter's own (`atexit`), the end of a child of `multiprocessing` (which leaves without
`atexit`), and SIGTERM where nobody else handles it; servers such as uvicorn, gunicorn and hypercorn do and come to
`atexit` themselves. SIGKILL is not seen: what waited then is lost, a second's
lines at most while the receiver answers.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pitchey_slo.instrument.shipper import Shipper

#: Set by `shipper`, which knows them.
shippers: Callable[[], Sequence[Shipper]] = list

_seen: dict[str, int] = {}


def watch(*, sigterm: bool) -> None:
    """Make sure that the end of this process is seen. Costs nothing the second time."""
    pid = os.getpid()
    if "atexit" not in _seen:  # a fork inherits what is registered
        _seen["atexit"] = pid
        atexit.register(close_all)
        os.register_at_fork(after_in_child=_forked)
    if _seen.get("child") != pid and (multi := sys.modules.get("multiprocessing.process")) is not None:
        _seen["child"] = pid
        if multi.parent_process() is not None:
            from multiprocessing.util import Finalize

            Finalize(None, close_all, exitpriority=10)
    if sigterm and _seen.get("sigterm") != pid and threading.current_thread() is threading.main_thread():
        _seen["sigterm"] = pid
        with contextlib.suppress(ValueError):  # not the main interpreter
            if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
                signal.signal(signal.SIGTERM, _on_sigterm)


def close_all() -> None:
    """Close every shipper, side by side: together they take as long as the slowest."""
    for shipper in shippers():
        with contextlib.suppress(Exception):
            shipper.hurry()
    for shipper in shippers():
        with contextlib.suppress(Exception):
            shipper.close()


def _on_sigterm(number: int, _frame: Any) -> None:
    close_all()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    time.sleep(1)  # the signal arrives at once, on whichever thread
    raise SystemExit(128 + number)  # process 1 of a container: the kernel keeps default signals from it


def _forked() -> None:
    for shipper in shippers():
        shipper.after_fork()
