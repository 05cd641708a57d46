"""One worker process: `python -m papermill` with limits, without secrets, and killed with everything it started.

The notebook goes in on standard input and comes out in the run's folder, which is also the working directory: a `.env`
in the directory where the runner was started is out of reach, and relative files a notebook writes stay with the run.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import psutil  # type: ignore[import-untyped]
import yaml  # type: ignore[import-untyped]  # Papermill's own reader of parameters; it alone knows which texts YAML 1.1 would take for numbers
from pydantic import SecretStr

from pitchey_slo.settings import Settings

LOG: Final = "log.txt"
Progress = Callable[[int, int], None]

#: What a worker keeps of the environment it was started in; everything else may be a secret.
KEPT: Final = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|TEMP|TMP|VIRTUAL_ENV|PYTHONPATH|LD_LIBRARY_PATH|"
    r"SSL_CERT_(FILE|DIR)|JUPYTER_(PATH|DATA_DIR|CONFIG_DIR)|XDG_(RUNTIME_DIR|CACHE_HOME)|"
    r"PYTHON(DONTWRITEBYTECODE|PYCACHEPREFIX)"
)
#: `python -m papermill`, a second and a half sooner. On Linux it dies with whoever started it (PR_SET_PDEATHSIG), so
#: that a runner killed with -9 leaves nobody behind who writes into a run that is being repeated.
_PAPERMILL: Final = (
    "import ctypes, sys; sys.platform == 'linux' and ctypes.CDLL(None).prctl(1, 9); "
    "from pitchey_slo import later; later.iri_grammar(); from papermill.cli import papermill; papermill()"
)
_CELL = re.compile(rb"Executing Cell (\d+)-")
_POLL = 0.1


@dataclass(frozen=True)
class Limits:
    """`seconds` of wall clock for the whole run; `memory` in bytes of address space for each of its processes."""

    seconds: float = 600.0
    memory: int = 16 << 30


@dataclass(frozen=True)
class Ending:
    """How a worker ended. `cell` is the position (from 1, among all cells as run) of the last cell it began."""

    code: int
    timed_out: bool
    cell: int | None
    last_line: str


def environment(settings: Settings, outside: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a worker: names that match KEPT, and every setting that is no secret, with absolute paths.

    The keys of the lake's bucket are passed only when the lake is in a bucket: without them there is nothing to read.
    """
    outside = os.environ if outside is None else outside
    kept = {k: v for k, v in outside.items() if KEPT.fullmatch(k)}
    ours = {}
    for name, field in Settings.model_fields.items():
        value, alias = getattr(settings, name), field.alias or name
        if isinstance(value, SecretStr):
            if name.startswith("s3_") and settings.lake_uri.startswith("s3://"):
                ours[alias] = value.get_secret_value()
        elif value is not None:
            ours[alias] = _text(value)
    if settings.lake and "://" not in settings.lake:
        ours["PITCHEY_LAKE"] = str(Path(settings.lake).absolute())
    return {**kept, **ours, "PLOTLY_RENDERER": "plotly_mimetype", "MPLBACKEND": "agg"}


def work(
    text: str,
    parameters: Mapping[str, Any],
    target: Path,
    env: Mapping[str, str],
    *,
    cells: int,
    limits: Limits,
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Ending:
    """Run notebook `text` into `target`; blocks until it ended or its time is up. Never raises for a failing notebook.

    `progress(done, total)` is called when a cell begins. An exception in it (Ctrl-C is one) kills the worker first.
    Once `stop` says so the worker is killed, and InterruptedError raised.
    """
    log = target.with_name(LOG)
    with tempfile.TemporaryFile() as stdin, log.open("wb") as out, _parameter_file(parameters) as given:
        stdin.write(text.encode())
        stdin.seek(0)
        command = [sys.executable, "-c", _PAPERMILL, "-", target.name, "--no-progress-bar", "--log-output"]
        process = subprocess.Popen(
            command + (["-f", given] if parameters else []),
            stdin=stdin,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=target.parent,
            env=dict(env),
            start_new_session=True,
        )
        try:
            _limit(process.pid, limits.memory)
            timed_out = _wait(process, log, cells + bool(parameters), limits.seconds, progress, stop)
        except BaseException:
            _kill(process)
            raise
    began = _cells_begun(log)
    return Ending(process.returncode, timed_out, began or None, _last_line(log))


def _wait(
    process: subprocess.Popen[bytes],
    log: Path,
    total: int,
    seconds: float,
    progress: Progress | None,
    stop: Callable[[], bool],
) -> bool:
    """True when the time was up and the worker had to be killed."""
    deadline, told = time.monotonic() + seconds, -1
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_POLL)
        begun = _cells_begun(log)
        if progress and begun > told:
            told = begun
            progress(max(begun - 1, 0), total)
        if process.returncode is not None:
            return False
        if stop():
            raise InterruptedError("whoever asked for it stops")
        if time.monotonic() > deadline:
            _kill(process)
            return True


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a worker and all it started. The group alone is not enough: Jupyter gives each kernel a session of its own,
    and a kernel busy in C code does not notice that its parent is gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGSTOP)  # nothing new is started while we look
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _limit(pid: int, memory: int) -> None:
    """Address space of the worker; the kernel, started later, inherits it. From outside, since running Python between
    fork and exec is unsafe beside threads. Where the system has no prlimit (macOS) there is no limit."""
    if hasattr(resource, "prlimit"):
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_AS, (memory, memory))


@contextlib.contextmanager
def _parameter_file(parameters: Mapping[str, Any]) -> Iterator[str]:
    """A file, since values in a command line can be read by every user of the machine."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        yaml.safe_dump(dict(parameters), file)
        file.flush()
        yield file.name


def _cells_begun(log: Path) -> int:
    numbers = _CELL.findall(log.read_bytes())
    return int(numbers[-1]) if numbers else 0


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def _text(value: Any) -> str:
    if isinstance(value, Path):
        return str(value.absolute())
    return orjson.dumps(value).decode() if isinstance(value, dict) else str(value)
