"""The home's key: with it values become hashes that still match one another, and without it nobody can tell of whom."""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path
from typing import Final

from pitchey_slo.errors import CollectError

#: Hex digits of a hash in a text: 64 bits, so that a million people have no two alike.
DIGITS: Final = 16


def user_key(home: Path) -> bytes:
    """The key that turns client addresses into user hashes: `<home>/user.key`, made (mode 0600) when absent.

    Whoever has it can test whether an address is in the data; without it hashes of other homes do not match.
    """
    path = home / "user.key"
    try:
        home.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(os.urandom(32))
    except FileExistsError:
        pass
    except OSError as error:
        raise CollectError(f"{path}: {error.strerror or error}") from None
    key = path.read_bytes()
    if len(key) < 16:
        raise CollectError(f"{path}: {len(key)} bytes; a key has 32 random bytes, remove the file to make a new one")
    return key[:64]


def keyed(key: bytes, rule: str, value: str) -> str:
    """16 hex digits of a keyed BLAKE2b; the same value under another rule has another hash.

    An address's are the first 16 of the `user_hash` that an access log gets, so that the two join.
    """
    raw = value.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(raw, key=key, digest_size=16, person=_person(rule)).hexdigest()[:DIGITS]


@functools.lru_cache(maxsize=256)
def _person(rule: str) -> bytes:
    return b"pitchey-client" if rule == "ip" else hashlib.blake2b(rule.encode(), digest_size=16).digest()
