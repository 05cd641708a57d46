"""The route of a request: the router's pattern as the house writes it, never the path with its ids.

`/api/pitches/{id}` of Starlette and FastAPI becomes `/api/pitches/:id`, mounted applications and included routers
included. A route is a label, so there must be few: what no router matched is `(unmatched)`, and applications without a
router have their ids replaced by `:id`, are learnt from answers other than 404 only, and after the first 300 are
`(other)`. The Worker module (`deploy/worker/src/route.ts`) does the same.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

UNMATCHED: Final = "(unmatched)"
OTHER: Final = "(other)"

#: Routes learnt from paths, per process; patterns of routers are not counted.
MOST: Final = 300
_PARTS: Final = 12

#: `{id}`, `{id:int}`, `{path:path}`
_PARAMETER: Final = re.compile(r"\{([^}:]+)(?::[^}]*)?\}")

_ID: Final = re.compile(
    r"\d+"
    r"|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    r"|(?=.*\d)[0-9a-fA-F]{7,}"  # hashes
    r"|[0-9A-HJKMNP-TV-Z]{26}"  # ULID
    r"|(?=.*\d)[\w-]{20,}"  # other keys; words in slugs rarely are that long with a digit in them
    r"|[a-z]{2,8}_(?=.*\d)\w{8,}"  # usr_1a2b3c4d
    r"|.*[@%].*"  # addresses, and what had to be encoded
    r"|\d{4}-\d{2}-\d{2}.*",
    re.ASCII | re.DOTALL,
)

Scope = MutableMapping[str, Any]


class Routes:
    """The routes of one application. `root` of a scope is what the server put before the application."""

    def __init__(self) -> None:
        self._patterns: dict[str, str] = {}
        self._learnt: dict[str, str] = {}

    def of(self, scope: Scope, status: int, *, root: str = "") -> str:
        """The route of a request that was routed and answered with `status`."""
        matched = scope.get("route")
        # a mount moves what it matched from the path into `root_path`; ids may be in it
        before = str(scope.get("root_path") or "").removeprefix(root)
        if matched is not None and not hasattr(matched, "routes"):
            tail = _effective(scope, matched) or getattr(matched, "path_format", None) or getattr(matched, "path", None)
            if isinstance(tail, str):
                return self._written(before, tail, scope.get("path_params") or {})
        if before:  # an application is mounted there that tells nothing, such as a folder of files
            return UNMATCHED if status == 404 else self._written(before, "/*", scope.get("path_params") or {})
        if scope.get("router") is not None and scope.get("endpoint") is None:
            return UNMATCHED
        return self._learn(scope, status)

    def _written(self, before: str, tail: str, given: Mapping[str, Any]) -> str:
        if tail not in self._patterns:
            self._patterns[tail] = _PARAMETER.sub(r":\1", tail) or "/"
        if not before:
            return self._patterns[tail]
        own = set(_PARAMETER.findall(tail))
        return self._kept(with_names(before, {k: v for k, v in given.items() if k not in own}) + self._patterns[tail])

    def _learn(self, scope: Scope, status: int) -> str:
        path = str(scope.get("path") or "/")
        params = scope.get("path_params")
        made = with_names(path, params) if params else pattern_of(path)
        if made in self._learnt:
            return made
        if status == 404:
            return UNMATCHED
        return self._kept(made)

    def _kept(self, made: str) -> str:
        if made not in self._learnt:
            if len(self._learnt) >= MOST:
                return OTHER
            self._learnt[made] = made
        return made


@functools.lru_cache(maxsize=1_024)
def pattern_of(path: str) -> str:
    """`/api/pitches/42` -> `/api/pitches/:id`."""
    parts = path.split("/")[:_PARTS]
    return "/".join(":id" if _ID.fullmatch(part) else part[:64] for part in parts) or "/"


def with_names(path: str, params: Mapping[str, Any]) -> str:
    """`/api/pitches/42` with `{"id": 42}` -> `/api/pitches/:id`, where a router tells parameters and no pattern."""
    values = {str(value): name for name, value in params.items()}
    return pattern_of("/".join(f":{values[p]}" if p in values else p for p in path.split("/")))


def _effective(scope: Scope, matched: Any) -> str | None:
    """FastAPI 0.165 keeps the routes of included routers without their prefix, and the whole pattern here."""
    inner = scope.get("fastapi")
    context = inner.get("effective_route_context") if isinstance(inner, Mapping) else None
    if context is not None and getattr(context, "original_route", None) is matched:
        path = getattr(context, "path", None)
        return path if isinstance(path, str) else None
    return None
