"""Passwords as they are kept, and tokens of sessions."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Final

#: Cost of one guess: small, since journeys log in all day on a machine that does other things too.
_COST: Final = 2**10


def kept(password: str) -> str:
    """Salt and hash, in hex."""
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}:{_hash(password, salt)}"


def right(password: str, stored: str) -> bool:
    salt, _, hashed = stored.partition(":")
    return hmac.compare_digest(_hash(password, bytes.fromhex(salt)), hashed)


def token() -> str:
    return secrets.token_urlsafe(32)


def digest(text: str) -> str:
    """What a session's token is kept as, and a user's name in the rows we send: short, one way."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _hash(password: str, salt: bytes) -> str:
    return hashlib.scrypt(password.encode(), salt=salt, n=_COST, r=8, p=1, dklen=32).hex()
