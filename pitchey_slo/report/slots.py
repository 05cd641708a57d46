"""Two reports at a time on one reports folder, whichever processes run them; who comes third waits in line and is told
its place.

Places and tickets are locked files, so that those of a process that was killed are free at once.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

SLOTS: Final = 2
_FOLDER: Final = ".slots"
_POLL: Final = 0.2


@contextmanager
def slot(
    reports: Path,
    waiting: Callable[[int], None] = lambda _: None,
    slots: int = SLOTS,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[int]:
    """Hold one of the places under `reports` until the block ends; `waiting` is called with the place in the line (1 is
    next) whenever that changes. Raises InterruptedError once `stop` says so."""
    folder = reports / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    held = _line_up(folder, waiting, slots, stop)
    try:
        yield held[0]
    finally:
        held[1].close()  # which unlocks it


@contextmanager
def alone(lock: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the file `lock` alone; `waiting` is called once when somebody else has it."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        if not _take(file):
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _line_up(folder: Path, waiting: Callable[[int], None], slots: int, stop: Callable[[], bool]) -> tuple[int, IO[str]]:
    # the name orders the line; the lock says that its owner lives
    ticket = folder / f"wait-{time.time_ns():020}-{os.getpid()}-{secrets.token_hex(3)}"
    with ticket.open("a") as mine:
        fcntl.flock(mine, fcntl.LOCK_EX)
        told = 0
        try:
            while True:
                place = 1 + sum(1 for other in _tickets(folder) if other.name < ticket.name)
                found = _free(folder, slots) if place == 1 else None
                if found is not None:
                    return found
                if place != told:
                    told = place
                    waiting(place)
                if stop():
                    raise InterruptedError("whoever asked for it stops")
                time.sleep(_POLL)
        finally:
            ticket.unlink(missing_ok=True)


def _tickets(folder: Path) -> list[Path]:
    """Those whose owner lives; the others are cleared away."""
    alive = []
    for ticket in folder.glob("wait-*"):
        with suppress(FileNotFoundError), ticket.open("r+") as file:
            if _take(file):
                ticket.unlink(missing_ok=True)
            else:
                alive.append(ticket)
    return alive


def _free(folder: Path, slots: int) -> tuple[int, IO[str]] | None:
    for number in range(slots):
        file = (folder / f"slot-{number}").open("a")
        if _take(file):
            return number, file
        file.close()
    return None


def _take(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
