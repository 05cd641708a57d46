"""Exceptions as data: type, message, a short stack, and what caused it.

Files are told below the folder they are imported from, so that no home folder stands in them and the same error looks
the same on two machines. Values of variables are never told.
"""

from __future__ import annotations

import sys
import sysconfig
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from pitchey_slo.instrument.encode import text

#: Frames told, the innermost ones; exceptions of a chain; characters of a message.
FRAMES: Final = 20
CHAIN: Final = 3
#: (more than is told in the end: it is scrubbed first, and cut again)
MESSAGE: Final = 8_000


def described(error: BaseException) -> dict[str, Any]:
    """`{"type", "message", "stack": ["app/pay.py:12 charge", ...], "cause": {...}}`; the innermost frame is last."""
    told: dict[str, Any] = {}
    place = told
    for n in range(CHAIN):
        place |= _one(error)
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is None or n == CHAIN - 1:
            break
        place["cause"] = {}
        place, error = place["cause"], cause
    return told


def kind(error: BaseException) -> str:
    """The class with its module, as people search for it: `ValueError`, `httpx.ReadTimeout`."""
    cls = type(error)
    return cls.__qualname__ if cls.__module__ in ("builtins", "__main__") else f"{cls.__module__}.{cls.__qualname__}"


def message(error: BaseException) -> str:
    try:
        return text(str(error), MESSAGE)
    except Exception as second:  # noqa: BLE001  # a broken __str__ must not hide the error
        return f"(its message cannot be told: {type(second).__name__})"


def _one(error: BaseException) -> dict[str, Any]:
    told: dict[str, Any] = {"type": kind(error), "message": message(error), "stack": stack(error.__traceback__)}
    if isinstance(error, BaseExceptionGroup):
        told["among"] = [{"type": kind(e), "message": message(e)} for e in error.exceptions[:5]]
    return told


def stack(tb: TracebackType | None) -> list[str]:
    """`file:line function` of the innermost frames, without reading any source."""
    frames = [(f.f_code.co_filename, line, f.f_code.co_name) for f, line in traceback.walk_tb(tb)]
    return [f"{_below(file)}:{line} {name}" for file, line, name in frames[-FRAMES:]]


_known: dict[str, str] = {}


def _below(file: str) -> str:
    """A file's path below the folder of imports it lies in."""
    if file not in _known:
        if len(_known) > 4_000:
            _known.clear()
        folders = {*sys.path, sysconfig.get_path("stdlib"), str(Path.cwd())}
        inside = [f for f in folders if f and file.startswith(f.rstrip("/") + "/")]
        _known[file] = file[len(max(inside, key=len).rstrip("/")) + 1 :] if inside else Path(file).name
    return _known[file]
