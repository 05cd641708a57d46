"""Lines on a terminal, in a pipe, and in a pipe that nobody reads."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
import threading
import time

import pytest

from pitchey_slo.logs import Console
from pitchey_slo.logs.console import pretty

ROW = {
    "ts": "2026-11-23T12:00:00.123456Z", "level": "error", "service": "api", "message": "charge\nfailed \x1b[31m",
    "logger": "shop.pay", "route": "/api/pay", "status": 500, "duration_ms": 12.34, "trace_id": "ab" * 16,
    "attributes": {"order": 7, "error": {"type": "ValueError", "message": "bad", "stack": ["a.py:1 f", "b.py:2 g"],
                   "cause": {"type": "KeyError", "message": "'k'", "stack": ["c.py:3 h"]}}},
}  # fmt: skip


def test_pretty() -> None:
    assert pretty(ROW, colours=False) == (
        "12:00:00.123 ERROR    charge\\nfailed \\x1b[31m [shop.pay] route=/api/pay status=500 took=12.3ms order=7 "
        "trace=abababab\n"
        "    ValueError: bad\n      b.py:2 g\n      a.py:1 f\n    because of KeyError: 'k'\n      c.py:3 h"
    )
    assert "\x1b[31mERROR" in pretty(ROW, colours=True)


def test_a_terminal_gets_colours_and_a_pipe_gets_json() -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        Console(stream=terminal).write(b"{}", ROW)
        assert b"\x1b[31mERROR" in os.read(ours, 10_000)
    os.close(ours)
    read, write = os.pipe()
    with os.fdopen(write, "w") as pipe:
        Console(stream=pipe).write(b'{"a":1}', ROW)
        assert os.read(read, 100) == b'{"a":1}\n'
    os.close(read)


def test_a_stream_without_a_file_such_as_a_notebooks() -> None:
    stream = io.StringIO()
    it = Console("json", stream)
    it.write(b'{"a":1}', ROW)
    assert stream.getvalue() == '{"a":1}\n'
    assert it.close(1).sent == 1


def test_a_pipe_that_nobody_reads_does_not_hold_the_service_up() -> None:
    read, write = os.pipe()
    with os.fdopen(write, "w") as pipe:
        it = Console("json", pipe)
        lines = [b'{"n":%d,"x":"%s"}' % (n, b"x" * (10_000 if n == 50 else 300)) for n in range(2_000)]
        begun = time.monotonic()
        for line in lines:
            it.write(line, ROW)
        assert time.monotonic() - begun < 5
        assert it.stats().waiting > 0
        got = bytearray()

        def reader() -> None:
            while piece := os.read(read, 1 << 16):
                got.extend(piece)

        thread = threading.Thread(target=reader)
        thread.start()
        assert it.flush(20)
    thread.join(10)
    os.close(read)
    assert [json.loads(line)["n"] for line in got.splitlines()] == list(range(2_000)), "all, and in order"


def test_a_reader_that_went_away_is_counted_and_hurts_nobody() -> None:
    read, write = os.pipe()
    with os.fdopen(write, "w") as pipe:
        it = Console("json", pipe)
        os.close(read)
        it.write(b"x" * 5_000, ROW)
        assert it.flush(10)
        assert it.stats().dropped == {"no_reader": 1}
        it.write(b"short", ROW)


@pytest.mark.parametrize("style", ["json", "pretty"])
def test_the_last_words_of_a_process_are_written(style: str) -> None:
    code = (
        "from pitchey_slo import logs; "
        f"logs.configure(service='x', destinations=[logs.Console({style!r})]); "
        "[logs.get_logger('a').info('line', n=n, x='y' * 6000 * (n == 5)) for n in range(20)]; 1/0"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr.count("line") >= 20
    assert "ZeroDivisionError" in done.stderr
