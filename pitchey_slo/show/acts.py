"""What people can do on a page: each act by name, with the least role that may, and the question it becomes.

An act goes to the API with the token its person signed in with. Who came in without one acts with the token of this
process, and is named in `by`. Arguments come from a browser: each is read here, and nothing else is passed on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from pitchey_slo.errors import Forbidden, RequestError, did_you_mean
from pitchey_slo.show.api import Api
from pitchey_slo.show.people import Person

Given = Mapping[str, Any]
Run = Callable[["Acts", Person, Given], Awaitable[Any]]


@dataclass(frozen=True)
class Act:
    role: str
    run: Run


class Acts:
    """The acts of one process. `changed` is called with a board's name after it was edited."""

    def __init__(self, api: Api, changed: Callable[[str], None]) -> None:
        self.api, self.changed = api, changed

    async def do(self, person: Person, name: str, given: Given) -> Any:
        """Raises RequestError for an unknown act, Forbidden when `person` may not, or what the server says."""
        act = ACTS.get(name)
        if act is None:
            raise RequestError(f"no act {name[:40]!r}; {did_you_mean(name, ACTS) or 'acts: ' + ', '.join(ACTS)}")
        if not person.may(act.role):
            raise Forbidden(f"this needs the role {act.role}; {person.name} is {person.role}: sign in with a token")
        return await act.run(self, person, given)

    async def ask(self, person: Person, method: str, path: str, body: Any = None, given: Any = None) -> Any:
        return await self.api.ask(method, path, body, token=person.token, given=given)


def text(given: Given, name: str, most: int = 4_000) -> str:
    """The text `name` of what was given; "" when there is none. Raises RequestError when it is none or too long."""
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > most:
        raise RequestError(f"{name} is not a text of at most {most:,} characters")
    return value


def part(given: Given, name: str) -> str:
    """The text `name` as one part of a path. Raises RequestError when it is empty."""
    value = text(given, name, 300)
    if not value:
        raise RequestError(f"{name} is missing")
    return quote(value, safe="")


def said(person: Person, given: Given) -> dict[str, str]:
    """A comment, and who says it when no token does."""
    return by(person) | {"comment": text(given, "comment", 1_000)}


def by(person: Person) -> dict[str, str]:
    return {} if person.token else {"by": f"dashboards: {person.name}"}


async def acknowledge(acts: Acts, person: Person, given: Given) -> Any:
    return await acts.ask(person, "POST", f"/api/monitoring/alerts/{part(given, 'id')}/ack", said(person, given))


async def resolve(acts: Acts, person: Person, given: Given) -> Any:
    return await acts.ask(person, "POST", f"/api/monitoring/alerts/{part(given, 'id')}/resolve", said(person, given))


async def why(acts: Acts, person: Person, given: Given) -> Any:
    """One alert, and what was decided about telling of it."""
    path = f"/api/monitoring/alerts/{part(given, 'id')}"
    return {"alert": await acts.ask(person, "GET", path), "why": await acts.ask(person, "GET", f"{path}/why")}


async def silence(acts: Acts, person: Person, given: Given) -> Any:
    """Silence what `matchers` choose for `minutes`, with a comment."""
    minutes, matchers = given.get("minutes"), given.get("matchers")
    if not isinstance(minutes, int | float) or not isinstance(matchers, list):
        raise RequestError("a silence needs minutes, a number, and matchers, a list of texts")
    body = said(person, given) | {"minutes": minutes, "matchers": [str(m)[:1_000] for m in matchers[:64]]}
    return await acts.ask(person, "POST", "/api/monitoring/silences", body)


async def silences(acts: Acts, person: Person, _: Given) -> Any:
    return await acts.ask(person, "GET", "/api/monitoring/silences")


async def unsilence(acts: Acts, person: Person, given: Given) -> Any:
    return await acts.ask(person, "DELETE", f"/api/monitoring/silences/{part(given, 'id')}")


async def preview(acts: Acts, person: Person, given: Given) -> Any:
    """A widget or a whole definition that nobody saved, with data: the body of `POST .../dashboards/preview`."""
    names = ("widget", "definition", "range", "start", "end", "compare", "variables", "choices")
    body = {n: given[n] for n in names if given.get(n)}
    return await acts.ask(person, "POST", "/api/monitoring/dashboards/preview", body)


async def catalogue(acts: Acts, person: Person, _: Given) -> Any:
    """What a definition may be made of."""
    return await acts.ask(person, "GET", "/api/monitoring/dashboards/catalogue")


async def definition(acts: Acts, person: Person, given: Given) -> Any:
    """A board as text and as plain values."""
    return await acts.ask(person, "GET", f"/api/monitoring/dashboards/{part(given, 'board')}/definition")


async def save(acts: Acts, person: Person, given: Given) -> Any:
    """Create or update a board: {definition, comment, version}; a version that is not the newest is refused."""
    body = {n: given[n] for n in ("definition", "comment", "version") if given.get(n) is not None}
    found = await acts.ask(person, "POST", "/api/monitoring/dashboards", body | by(person))
    acts.changed(str((found or {}).get("id") or ""))
    return found


async def versions(acts: Acts, person: Person, given: Given) -> Any:
    return await acts.ask(person, "GET", f"/api/monitoring/dashboards/{part(given, 'board')}/versions")


async def restore(acts: Acts, person: Person, given: Given) -> Any:
    path = f"/api/monitoring/dashboards/{part(given, 'board')}/restore"
    found = await acts.ask(person, "POST", path, {"version": given.get("version")} | by(person))
    acts.changed(text(given, "board", 300))
    return found


async def hide(acts: Acts, person: Person, given: Given) -> Any:
    """Take a board out of the menu; its versions stay."""
    path = f"/api/monitoring/dashboards/{part(given, 'board')}"
    return await acts.ask(person, "DELETE", path, said(person, given))


async def decide(acts: Acts, person: Person, given: Given) -> Any:
    """Write a decision about a rule down: the body of `POST /api/monitoring/decisions`."""
    names = ("rule", "kind", "reason", "threshold", "for", "was", "look_again_at", "evidence", "rule_hash", "id")
    body = {n: given[n] for n in names if given.get(n) is not None}
    return await acts.ask(person, "POST", "/api/monitoring/decisions", body | by(person) | {"source": "dashboard"})


async def whatif(acts: Acts, person: Person, given: Given) -> Any:
    """What other numbers of a rule would have done: {rule, days}."""
    days = given.get("days", 28)
    if not isinstance(days, int):
        raise RequestError("days is not a whole number")
    asked: list[tuple[str, str | int | float | bool | None]] = [("rule", text(given, "rule", 65_536)), ("days", days)]
    return await acts.ask(person, "GET", "/api/monitoring/review/whatif", given=asked)


async def apply(acts: Acts, person: Person, given: Given) -> Any:
    return await acts.ask(person, "POST", f"/api/monitoring/decisions/{part(given, 'id')}/apply", by(person))


async def revert(acts: Acts, person: Person, given: Given) -> Any:
    return await acts.ask(person, "POST", f"/api/monitoring/decisions/{part(given, 'id')}/revert", by(person))


ACTS: Final[dict[str, Act]] = {
    "alert.acknowledge": Act("operator", acknowledge),
    "alert.resolve": Act("operator", resolve),
    "alert.why": Act("viewer", why),
    "silence.create": Act("operator", silence),
    "silence.list": Act("viewer", silences),
    "silence.end": Act("operator", unsilence),
    "widget.preview": Act("operator", preview),
    "board.catalogue": Act("operator", catalogue),
    "board.definition": Act("viewer", definition),
    "board.hide": Act("operator", hide),
    "board.save": Act("operator", save),
    "board.versions": Act("operator", versions),
    "board.restore": Act("operator", restore),
    "review.whatif": Act("viewer", whatif),
    "review.decide": Act("operator", decide),
    "review.apply": Act("admin", apply),
    "review.revert": Act("admin", revert),
}
