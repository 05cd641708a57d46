"""Who looks: roles, sessions of this process, and the sign-in link that works once."""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

ROLES = ("public", "viewer", "operator", "admin")
#: A session ends so long after it was last used, and so long after it began.
IDLE_SECONDS = 12 * 3600.0
LIFE_SECONDS = 7 * 24 * 3600.0
#: Sessions kept; the one used longest ago gives way.
MOST = 5_000


@dataclass(frozen=True)
class Person:
    """`token` is what their actions are done with; None is the token of this process: somebody who came by the sign-in
    link, or who is allowed in without signing in."""

    name: str
    role: str
    token: str | None = field(default=None, repr=False)
    session: str = field(default="", repr=False)

    def may(self, role: str) -> bool:
        """Whether this person has at least `role`; nobody has one that is not known."""
        return role in ROLES and self.role in ROLES and ROLES.index(self.role) >= ROLES.index(role)


def anonymous(role: str) -> Person | None:
    """Whoever has not signed in; None when they may not even look."""
    return None if role == "none" else Person("not signed in", role)


class Sessions:
    """Who has signed in, by the random text in their cookie. Used from one event loop."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, tuple[Person, float, float]] = OrderedDict()

    def begin(self, person: Person) -> Person:
        """`person` with a new session."""
        key, now = secrets.token_urlsafe(32), self._clock()
        signed_in = replace(person, session=key)
        self._kept[key] = (signed_in, now, now)
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)
        return signed_in

    def find(self, key: str | None) -> Person | None:
        """Who has this session; None when there is none, or it is over."""
        if not key or key not in self._kept:
            return None
        person, began, used = self._kept.pop(key)
        now = self._clock()
        if now - used > IDLE_SECONDS or now - began > LIFE_SECONDS:
            return None
        self._kept[key] = (person, began, now)
        return person

    def end(self, key: str | None) -> None:
        self._kept.pop(key or "", None)

    def tokens(self) -> set[str]:
        """The tokens people signed in with."""
        return {person.token for person, _, _ in self._kept.values() if person.token}

    def end_all_of(self, token: str) -> None:
        """End the sessions that were begun with `token`: it was revoked."""
        for key in [k for k, (person, _, _) in self._kept.items() if person.token == token]:
            self.end(key)


class Once:
    """A code that opens the door once, for `seconds`."""

    def __init__(self, code: str, seconds: float, clock: Callable[[], float]) -> None:
        self._code = code
        self._until = clock() + seconds
        self._clock = clock

    def take(self, code: str) -> bool:
        """Whether `code` is the one; it is not, ever again, after that."""
        right = bool(self._code) and self._clock() < self._until and hmac.compare_digest(code, self._code)
        if right:
            self._code = ""
        return right


class Patience:
    """At most `most` tries in `seconds`, all together: a token has 256 random bits, this only spares the server."""

    def __init__(self, most: int, seconds: float, clock: Callable[[], float]) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._tries: list[float] = []

    def try_once(self) -> bool:
        now = self._clock()
        self._tries = [at for at in self._tries if now - at < self._seconds]
        if len(self._tries) >= self._most:
            return False
        self._tries.append(now)
        return True
