"""`pitchey-slo` without a process for each command: same words, same exit codes, half a second sooner."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from pitchey_slo.cli import main


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


def shell(*words: str, cwd: Path, env: Mapping[str, str] | None = None) -> Done:
    """`pitchey-slo WORDS` in folder `cwd`, with `env` on top of the environment. What is no PitcheyError is raised, so
    that a traceback fails the test."""
    out, err = _stream(), _stream()
    code = 0
    with (
        _environment(env or {}),
        contextlib.chdir(cwd),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main(list(words))
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Done(code, _written(out), _written(err))


def _stream() -> io.TextIOWrapper:
    """Takes text and, as a terminal does, bytes."""
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def _written(stream: io.TextIOWrapper) -> str:
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode()


@contextlib.contextmanager
def _environment(more: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in more}
    os.environ.update(more)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
