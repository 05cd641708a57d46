"""The list of boards: names, titles, roles; asked of the server every few seconds, kept when it is away."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from pitchey_slo.errors import PitcheyError
from pitchey_slo.show.api import Api
from pitchey_slo.show.people import Person

log = logging.getLogger(__name__)

EVERY = 15.0


@dataclass(frozen=True)
class Board:
    name: str
    title: str
    role: str = "viewer"
    order: int = 100
    description: str = ""


class Boards:
    """One per process."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._kept: tuple[Board, ...] = ()
        self._new = asyncio.Event()

    def for_(self, person: Person | None) -> list[Board]:
        """Those that `person` may look at, in order."""
        return [] if person is None else [board for board in self._kept if person.may(board.role)]

    def find(self, name: str) -> Board | None:
        return next((board for board in self._kept if board.name == name), None)

    async def renew(self) -> None:
        """Ask now. Raises PitcheyError; what is kept stays."""
        told = await self._api.ask("GET", "/api/monitoring/dashboards")
        found = [board_of(entry) for entry in told["dashboards"]]
        self._kept = tuple(sorted(found, key=lambda board: (board.order, board.title)))

    async def keep(self) -> None:
        """Renew for ever; sooner while there is none."""
        while True:
            try:
                await self.renew()
            except PitcheyError as error:
                log.debug("no list of boards: %s", error.message)
            except (KeyError, TypeError, ValueError) as error:
                log.error("the list of boards cannot be read: %s", error)
            await asyncio.sleep(EVERY if self._kept else 1.0)


def board_of(entry: dict[str, Any]) -> Board:
    return Board(
        name=str(entry["id"]),
        title=str(entry.get("title") or entry["id"]),
        role=str(entry.get("role") or "viewer"),
        order=int(entry.get("order") or 100),
        description=str(entry.get("description") or ""),
    )
