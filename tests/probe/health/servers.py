"""Real servers to look at: PostgreSQL and Redis of this machine, sockets that take a connection and never answer."""

from __future__ import annotations

import asyncio
import glob
import os
import pwd
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pitchey_slo.probe import Result
from pitchey_slo.probe.health import Context, Planned, look, read


def planned(text: str, **values: str) -> Planned:
    """The one check of `{name: {...}}`, as it would stand in the file."""
    return read(f"checks: {text}", "health.yml", values).checks[0]


def looked(text: str | Planned, **values: str) -> Result:
    """One look at it from here."""
    check = text if isinstance(text, Planned) else planned(text, **values)
    return asyncio.run(look(check, Context(check.name, "here", lambda: datetime.now(UTC))))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def eventually(what: Callable[[], Any], seconds: float = 20.0) -> Any:
    """What `what` gives once it is true."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, f"not within {seconds:g} s"
        time.sleep(0.1)
    return found


@contextmanager
def silent() -> Iterator[int]:
    """A port that takes connections, reads, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    kept.append(server.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            for one in kept:
                one.close()
            thread.join(5)


@dataclass
class Server:
    """A process that is ended with its block."""

    command: list[str]
    port: int
    user: str | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        as_user = {} if self.user is None else {"user": self.user, "group": pwd.getpwnam(self.user).pw_gid}
        self.process = subprocess.Popen(
            self.command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **as_user
        )
        eventually(self._listens)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(20)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"{self.command[0]} ended with {self.process.returncode}"
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0


@dataclass
class Postgres(Server):
    password: str = "s3cret-of-postgres"
    folder: Path = Path()

    def url(self, user: str = "postgres", password: str | None = None, database: str = "postgres") -> str:
        return f"postgresql://{user}:{password or self.password}@127.0.0.1:{self.port}/{database}"


@contextmanager
def postgres_in(folder: Path, *options: str) -> Iterator[Postgres]:
    """A fresh cluster in `folder`, which PostgreSQL's user must be able to enter."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    if not found:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    tools, user = found[-1], "postgres" if os.getuid() == 0 else None
    server = Postgres([], free_port(), user, folder=folder)
    password = folder / "password"
    password.write_text(server.password)
    if user is not None:
        for path in (folder, password):
            os.chown(path, pwd.getpwnam(user).pw_uid, -1)
    as_user = {} if user is None else {"user": user, "group": pwd.getpwnam(user).pw_gid}
    subprocess.run(
        [f"{tools}/initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "scram-sha-256", "--no-sync",
         f"--pwfile={password}", "--no-instructions"],
        check=True, capture_output=True, timeout=120, cwd="/", **as_user,
    )  # fmt: skip
    usual = (f"port={server.port}", "listen_addresses=127.0.0.1", "fsync=off", "shared_buffers=8MB",
             "max_connections=20", f"unix_socket_directories={folder}", *options)  # fmt: skip
    server.command = [f"{tools}/postgres", "-D", str(folder / "data"), *(f"--{option}" for option in usual)]
    server.start()
    try:
        yield server
    finally:
        if server.process is not None and server.process.poll() is None:
            server.process.send_signal(3)  # immediate shutdown: clients that hang are not waited for
            server.process.wait(30)


@contextmanager
def replica_of(primary: Postgres) -> Iterator[Postgres]:
    """A standby of it, beside it."""
    tools = Path(primary.command[0]).parent
    copy = Postgres([], free_port(), primary.user, password=primary.password, folder=primary.folder)
    as_user = {} if primary.user is None else {"user": primary.user, "group": pwd.getpwnam(primary.user).pw_gid}
    subprocess.run(
        [str(tools / "pg_basebackup"), "-D", str(primary.folder / "replica"), "-d", primary.url(), "-R", "-c", "fast",
         "--no-sync"],
        check=True, capture_output=True, timeout=120, cwd="/", **as_user,
    )  # fmt: skip
    options = [one for one in primary.command[3:] if not one.startswith("--port=")]
    place = ["-D", str(primary.folder / "replica"), f"--port={copy.port}"]
    copy.command = [primary.command[0], *place, *options]
    copy.start()
    try:
        yield copy
    finally:
        if copy.process is not None and copy.process.poll() is None:
            copy.process.send_signal(3)
            copy.process.wait(30)


@contextmanager
def redis_server(*options: str) -> Iterator[Server]:
    if shutil.which("redis-server") is None:
        pytest.skip("Redis is not installed: apt-get install redis-server")
    port = free_port()
    server = Server(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", *options], port
    )
    server.start()
    try:
        yield server
    finally:
        server.stop()
