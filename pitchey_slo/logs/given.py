"""Destinations by name, with what the environment says of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Final

from pitchey_slo.errors import ConfigError, did_you_mean
from pitchey_slo.logs.console import Console
from pitchey_slo.logs.destinations import Destination
from pitchey_slo.logs.elasticsearch import elasticsearch
from pitchey_slo.logs.loki import loki
from pitchey_slo.logs.row import LEVELS
from pitchey_slo.logs.workbench import workbench

Env = Mapping[str, str]

#: The variables of the logger; those it shares with the middleware are in `instrument.given`. See docs/logging.md.
ENVIRONMENT: Final[dict[str, str]] = {
    "PITCHEY_LOG_LEVEL": "lowest level that is written: debug, info, warning, error or critical; `info` when unset",
    "PITCHEY_LOG_DESTINATIONS": "console, workbench, elasticsearch, loki, comma-separated; when unset the console, and "
    "the workbench where PITCHEY_SLO_URL is set",
    "PITCHEY_LOG_CONSOLE": "pretty, json, or auto: pretty on a terminal",
    "PITCHEY_LOG_ELASTICSEARCH_URL": "address of Elasticsearch",
    "PITCHEY_LOG_ELASTICSEARCH_STREAM": "its data stream; `logs-pitchey-default` when unset",
    "PITCHEY_LOG_ELASTICSEARCH_AUTHORIZATION": "the header as it is sent, such as `ApiKey ...`",
    "PITCHEY_LOG_LOKI_URL": "address of Loki",
    "PITCHEY_LOG_LOKI_TENANT": "its tenant (`X-Scope-OrgID`)",
    "PITCHEY_LOG_LOKI_LABELS": "labels of all lines beside service and level, such as `env=prod,region=eu`",
    "PITCHEY_LOG_LOKI_AUTHORIZATION": "the header as it is sent, such as `Basic ...`",
}


def level_of(given: str | None, env: Env = os.environ) -> str:
    """One of the five. Raises ConfigError."""
    said = (given or env.get("PITCHEY_LOG_LEVEL", "").strip() or "info").lower()
    if said not in LEVELS:
        near = did_you_mean(said, LEVELS) or "write debug, info, warning, error or critical"
        raise ConfigError(f"{said!r} is no level; {near}", key="PITCHEY_LOG_LEVEL")
    return LEVELS[said]


def by_name(name: str, env: Env = os.environ) -> Destination:
    """The destination as the environment describes it. Raises ConfigError."""
    if name not in _MAKERS:
        near = did_you_mean(name, _MAKERS) or "write " + ", ".join(_MAKERS)
        raise ConfigError(f"no destination {name!r}; {near}", key="PITCHEY_LOG_DESTINATIONS")
    return _MAKERS[name](env)


def by_default(env: Env = os.environ) -> list[str]:
    said = [name.strip().lower() for name in env.get("PITCHEY_LOG_DESTINATIONS", "").split(",") if name.strip()]
    return said or ["console", *(["workbench"] if env.get("PITCHEY_SLO_URL", "").strip() else [])]


def _console(env: Env) -> Destination:
    style = env.get("PITCHEY_LOG_CONSOLE", "").strip().lower() or "auto"
    if style not in ("auto", "pretty", "json"):
        raise ConfigError(f"{style!r} is no style; write pretty, json or auto", key="PITCHEY_LOG_CONSOLE")
    return Console(style)


def _workbench(env: Env) -> Destination:
    return workbench(_needed(env, "PITCHEY_SLO_URL", "the workbench"), env.get("PITCHEY_SLO_TOKEN", "").strip() or None)


def _elasticsearch(env: Env) -> Destination:
    return elasticsearch(
        _needed(env, "PITCHEY_LOG_ELASTICSEARCH_URL", "Elasticsearch"),
        stream=env.get("PITCHEY_LOG_ELASTICSEARCH_STREAM", "").strip() or "logs-pitchey-default",
        authorization=env.get("PITCHEY_LOG_ELASTICSEARCH_AUTHORIZATION", "").strip() or None,
    )


def _loki(env: Env) -> Destination:
    return loki(
        _needed(env, "PITCHEY_LOG_LOKI_URL", "Loki"),
        labels=_pairs(env.get("PITCHEY_LOG_LOKI_LABELS", "")),
        tenant=env.get("PITCHEY_LOG_LOKI_TENANT", "").strip() or None,
        authorization=env.get("PITCHEY_LOG_LOKI_AUTHORIZATION", "").strip() or None,
    )


def _needed(env: Env, name: str, what: str) -> str:
    value = env.get(name, "").strip()
    if not value:
        raise ConfigError(f"{what} is a destination of the logs and has no address; set it, or leave it out", key=name)
    return value


def _pairs(said: str) -> dict[str, str]:
    found = {}
    for part in filter(None, (p.strip() for p in said.split(","))):
        name, mark, value = part.partition("=")
        if not mark:
            raise ConfigError(f"{part!r} is no label; write name=value", key="PITCHEY_LOG_LOKI_LABELS")
        found[name.strip()] = value.strip()
    return found


_MAKERS: Final[dict[str, Callable[[Env], Destination]]] = {
    "console": _console,
    "workbench": _workbench,
    "elasticsearch": _elasticsearch,
    "loki": _loki,
}
