"""What `config/scrape.yml` says, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pitchey_slo.collect.prometheus.relabel import Rule

#: Bytes of one exposition when `body_size_limit` says nothing (or 0).
BODY_LIMIT: Final = 64 << 20


@dataclass(frozen=True)
class Group:
    """Addresses with labels in common."""

    targets: tuple[str, ...]
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FileGroups:
    """Files that list groups, read again every `refresh` seconds."""

    patterns: tuple[str, ...]
    refresh: float = 300.0


@dataclass(frozen=True)
class Login:
    """How to identify ourselves: `scheme` Basic with user and secret, or another with the secret alone. A secret in a
    file is read anew for each scrape."""

    scheme: str
    user: str = ""
    secret: str = field(default="", repr=False)
    secret_file: Path | None = None


@dataclass(frozen=True)
class Tls:
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    insecure_skip_verify: bool = False


@dataclass(frozen=True)
class Limits:
    """Of one scrape; 0 means none, except for the body, which then has `BODY_LIMIT`."""

    sample_limit: int = 0
    label_limit: int = 0
    label_name_length_limit: int = 0
    label_value_length_limit: int = 0
    body_size_limit: int = 0


@dataclass(frozen=True)
class Job:
    """One entry of scrape_configs; durations in seconds."""

    name: str
    interval: float = 60.0
    timeout: float = 10.0
    metrics_path: str = "/metrics"
    scheme: str = "http"
    params: dict[str, tuple[str, ...]] = field(default_factory=dict)
    honor_labels: bool = False
    honor_timestamps: bool = True
    track_timestamps_staleness: bool = False
    enable_compression: bool = True
    follow_redirects: bool = True
    limits: Limits = Limits()
    groups: tuple[Group, ...] = ()
    files: tuple[FileGroups, ...] = ()
    login: Login | None = None
    tls: Tls | None = None
    relabel: tuple[Rule, ...] = ()
    metric_relabel: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class ScrapeConfig:
    """The whole file. External labels are, as in Prometheus, for talking to others: stored series do not get them."""

    jobs: tuple[Job, ...] = ()
    external_labels: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
