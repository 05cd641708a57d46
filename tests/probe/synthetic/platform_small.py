"""A small Pitchey over real HTTP, which knows what was made and not removed again."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.probe.synthetic.servers import Seen, Site, js, site

Page = tuple[int, dict[str, str], bytes]


class Platform:
    """`fails` is the number of the request, from 1, that is answered with 500 instead of being done."""

    def __init__(self, fails: int = 0) -> None:
        self.users: dict[str, dict[str, Any]] = {}
        self.tokens: dict[str, str] = {}
        self.pitches: dict[str, dict[str, Any]] = {}
        self.investments: dict[str, dict[str, Any]] = {}
        self.fails = fails
        self.count = 0
        self._ids = itertools.count(1)

    @property
    def left(self) -> int:
        return len(self.users) + len(self.pitches) + len(self.investments)

    def page(self, asked: Seen) -> Page:
        self.count += 1
        if self.count == self.fails:
            return js({"error": "database is away"}, 500)
        method, parts = asked.method, asked.path.strip("/").split("/")[1:]
        who = self.tokens.get(asked.headers.get("authorization", "").removeprefix("Bearer "))
        if parts == ["health"]:
            return js({"status": "ok"})
        if parts == ["auth", "signup"] and asked.json["email"] not in self.users:
            self.users[asked.json["email"]] = asked.json
            return js({"email": asked.json["email"]}, 201)
        if parts == ["auth", "login"]:
            known = self.users.get(asked.json["email"], {}).get("password") == asked.json["password"]
            if not known:
                return js({"error": "wrong"}, 401)
            token = f"token-{next(self._ids):020}"
            self.tokens[token] = asked.json["email"]
            return js({"token": token})
        if who is None:
            return js({"error": "log in"}, 401)
        return self._own(method, parts, who, asked)

    def _own(self, method: str, parts: list[str], who: str, asked: Seen) -> Page:
        if parts == ["auth", "logout"]:
            del self.tokens[asked.headers["authorization"].removeprefix("Bearer ")]
            return js({})
        if (method, parts) == ("DELETE", ["users", "me"]):
            del self.users[who]
            self.tokens = {token: user for token, user in self.tokens.items() if user != who}
            return 204, {}, b""
        if parts == ["pitches"]:
            return self._made(self.pitches, asked.json | {"owner": who}) if method == "POST" else js([])
        if parts[0] == "pitches" and parts[1] in self.pitches:
            return self._pitch(method, parts, asked)
        if (method, parts[0]) == ("DELETE", "investments") and parts[1] in self.investments:
            del self.investments[parts[1]]
            return 204, {}, b""
        return js({"error": "no such thing"}, 404)

    def _pitch(self, method: str, parts: list[str], asked: Seen) -> Page:
        pitch = self.pitches[parts[1]]
        if parts[2:] == ["nda"]:
            pitch["nda"] = True
            return js({"signed": True}, 201)
        if parts[2:] == ["investments"]:
            return self._made(self.investments, asked.json) if pitch.get("nda") else js({"error": "sign first"}, 403)
        if method == "DELETE":
            del self.pitches[parts[1]]
            return 204, {}, b""
        return js({"id": parts[1], **pitch})

    def _made(self, shelf: dict[str, dict[str, Any]], what: dict[str, Any]) -> Page:
        made = f"{next(self._ids)}"
        shelf[made] = what
        return js({"id": made, **what}, 201)


class _Every(dict[str, Any]):
    """One page for every address."""

    def __init__(self, platform: Platform) -> None:
        super().__init__()
        self.platform = platform

    def get(self, key: str, default: Any = None) -> Any:
        return self.platform.page


@contextmanager
def platform(fails: int = 0) -> Iterator[tuple[Platform, Site]]:
    """The platform, and the site it is served on."""
    made = Platform(fails)
    with site(_Every(made)) as there:
        yield made, there
