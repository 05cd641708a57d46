"""Every kind of check by its name, which is its file's."""

from __future__ import annotations

from typing import Final

from pitchey_slo.probe.health.http import HTTP
from pitchey_slo.probe.health.model import CheckKind
from pitchey_slo.probe.health.postgres import POSTGRES
from pitchey_slo.probe.health.redis import REDIS
from pitchey_slo.probe.health.storage import STORAGE
from pitchey_slo.probe.health.websocket import WEBSOCKET
from pitchey_slo.probe.health.workbench import WORKBENCH

KINDS: Final[dict[str, CheckKind]] = {k.name: k for k in (HTTP, POSTGRES, REDIS, STORAGE, WEBSOCKET, WORKBENCH)}
