"""What a service says of itself, by arguments or by its environment; an argument wins."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from pitchey_slo.errors import ConfigError

#: The variables, with what they mean; docs/middleware.md and docs/logging.md list them.
ENVIRONMENT: Final[dict[str, str]] = {
    "PITCHEY_SLO_URL": "address of the workbench, such as https://slo.example.org; nothing is sent when unset",
    "PITCHEY_SLO_TOKEN": "token with the scope `ingest` (`pitchey-slo token create`)",
    "PITCHEY_SLO_SERVICE": "name of this service; `service` when unset",
    "PITCHEY_SLO_LOCATION": "where it runs: region, data centre or host",
    "PITCHEY_SLO_SAMPLE": "share of requests that are told, above 0 and up to 1; failed ones always are",
    "PITCHEY_SLO_USER_KEY": "key of the hashes that stand for users, 64 hex digits",
}


def text(
    given: str | None, name: str, default: str | None = None, *, env: Mapping[str, str] = os.environ
) -> str | None:
    """The argument, else the variable, else the default; an empty text is none."""
    return given or env.get(name, "").strip() or default


def share(given: float | None, name: str, *, env: Mapping[str, str] = os.environ) -> float:
    """A share in (0, 1]. Raises ConfigError."""
    told = given if given is not None else env.get(name, "").strip() or 1.0
    try:
        value = float(told)
    except ValueError:
        value = 0.0
    if not 1e-9 <= value <= 1:
        raise ConfigError(f"{told!r} is no share of requests; write a number above 0 and up to 1", key=name)
    return value
