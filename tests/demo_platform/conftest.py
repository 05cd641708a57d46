"""A database, a cache and certificates for the platform."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.probe.health.conftest import postgres
from tests.probe.health.servers import Server, redis_server
from tests.probe.synthetic.servers import Authority

__all__ = ["postgres"]

HOST = "pitchey.test"


@pytest.fixture(scope="module")
def redis() -> Iterator[Server]:
    with redis_server() as server:
        yield server


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificates(authority: Authority) -> dict[str, tuple[Path, Path]]:
    """A good one, and one for each fault."""
    found = {}
    stranger = Authority(authority.folder / "stranger")
    stranger.folder.mkdir()
    for name, (maker, host, days) in {
        "good": (authority, HOST, 90),
        "expired": (authority, HOST, -3),
        "wrong_host": (authority, "other.test", 90),
        "self_signed": (stranger, HOST, 90),
    }.items():
        maker.server(host, "127.0.0.1" if host == HOST else "127.0.0.2", days=days)
        path = maker.folder / f"{maker.made}.pem"
        found[name] = (path, path)
    return found
