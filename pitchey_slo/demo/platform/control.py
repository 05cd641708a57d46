"""The address faults are switched at: loopback only, never the platform's own."""

from __future__ import annotations

from dataclasses import asdict

from pitchey_slo.demo.platform.faults import FAULTS, Faults
from pitchey_slo.demo.platform.http import Answer, Request, refused, said
from pitchey_slo.errors import ConfigError


class Control:
    """`GET /faults` lists what there is and what is on; `PUT /faults/NAME` with options as JSON switches one on,
    `DELETE /faults/NAME` off, `DELETE /faults` everything."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    async def answer(self, request: Request) -> Answer:
        # a page in somebody's browser may not switch faults: it cannot name another host than the one it asks
        if request.headers.get("host", "").rpartition(":")[0] not in ("127.0.0.1", "localhost"):
            return refused(403, "only as 127.0.0.1 or localhost")
        head, _, name = request.path.strip("/").partition("/")
        if head != "faults":
            return refused(404, "GET /faults")
        if request.method == "GET" and not name:
            return said(200, {"known": FAULTS, "on": [asdict(f) for f in self._faults.all()]})
        if request.method == "DELETE":
            self._faults.off(name or None)
            return Answer(204)
        if request.method != "PUT" or not name:
            return refused(405, "GET /faults, PUT /faults/NAME, DELETE /faults/NAME")
        try:
            given = request.json() if request.body else {}
            if not isinstance(given, dict):
                return refused(400, "options are a JSON object")
            return said(200, asdict(self._faults.on(name, **given)))
        except (ConfigError, TypeError, ValueError) as error:
            return refused(422, str(error))
