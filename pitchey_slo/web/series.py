"""What the routes of time series share: queries, the reader of remote writes, descriptions of metrics, the scraper."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson
from fastapi import Request

from pitchey_slo.collect.prometheus import RemoteWrite
from pitchey_slo.collect.prometheus.config import load_scrape_config
from pitchey_slo.collect.prometheus.jobs import ScrapeConfig
from pitchey_slo.collect.prometheus.remote_write import WRITE_LIMIT
from pitchey_slo.collect.prometheus.scrape import Scraper, TargetState
from pitchey_slo.promql.derived_metrics import FAMILIES
from pitchey_slo.promql.lake_scan import StoreScan
from pitchey_slo.series import Metadata, SampleBatch
from pitchey_slo.settings import Settings
from pitchey_slo.slo.series import FAMILIES as SLO_FAMILIES
from pitchey_slo.slo.series import SloSeries
from pitchey_slo.store import SampleReceipt
from pitchey_slo.web.house import House
from pitchey_slo.web.meter import Meter
from pitchey_slo.web.queries import Queries, QueryLimits

log = logging.getLogger(__name__)

#: Metrics described, at most, and characters of one description.
MOST_DESCRIBED: Final = 50_000
LONGEST_HELP: Final = 1_000
DESCRIPTIONS_FILE: Final = "metric-descriptions.json"
SCRAPE_FILE: Final = "scrape.yml"
#: A scrape that is not stored by then is lost and logged; the next one comes.
SINK_SECONDS: Final = 60.0


class Series:
    """One per application."""

    def __init__(self, house: House, limits: QueryLimits) -> None:
        self.house = house
        self._scan: StoreScan | None = None
        self.queries = Queries(self.scan, limits)
        self.remote_write = RemoteWrite(limit=min(WRITE_LIMIT, house.settings.body_limit))
        self.meter = Meter()
        self.book = Descriptions(house.settings.home / DESCRIPTIONS_FILE)
        self.scraper: Scraper | None = None

    def start(self, jobs: ScrapeConfig | None) -> None:
        """Begin to scrape, once the store is open."""
        self.book.load()
        if jobs is not None and jobs.jobs:
            self.scraper = Scraper(jobs, self._scraped, clock=self.house.clock)
            self.scraper.start()

    def scan(self) -> StoreScan:
        """Every series there is. Raises StoreUnavailable while the store is being opened."""
        store = self.house.opened()
        if self._scan is None:
            self._scan = StoreScan(store, [SloSeries(self.house.slos.slos)])
        return self._scan

    def descriptions(self) -> dict[str, Metadata]:
        """Type, help and unit by metric: what senders said, and of the series made here."""
        return {**self.book.all(), **FAMILIES, **SLO_FAMILIES, **self.meter.descriptions}

    def taken(self, way: str, batch: SampleBatch, receipt: SampleReceipt) -> None:
        """Notes what became of a delivery."""
        self.book.add(batch.metadata)
        self.meter.samples(way, receipt)

    def targets(self) -> list[dict[str, Any]]:
        """As /api/v1/targets lists them; none without a scraper."""
        return [told(state) for state in self.scraper.states] if self.scraper else []

    def down(self) -> dict[str, str | None]:
        """Scraped targets, and why each is down (None: it is up, or was not asked yet)."""
        states = self.scraper.states if self.scraper else []
        return {f"{s.job} {s.url}": (s.error or "down") if s.health == "down" else None for s in states}

    def close(self) -> None:
        """Stop scraping, let running queries end, keep the descriptions; the store is still open."""
        if self.scraper is not None:
            self.scraper.stop()
        self.queries.close()
        if self.house.store is not None:
            self.book.save()

    def _scraped(self, batch: SampleBatch) -> None:
        receipt = self.house.opened().samples(batch).result(SINK_SECONDS)
        self.taken("scrape", batch, receipt)


def scrape_jobs(settings: Settings) -> ScrapeConfig | None:
    """What `scrape.yml` in the folder of configurations says; None without one. Raises ConfigError."""
    path = settings.config / SCRAPE_FILE
    if not path.exists():
        return None
    config = load_scrape_config(path)
    for warning in config.warnings:
        log.warning("%s", warning)
    return config


def told(state: TargetState) -> dict[str, Any]:
    return {
        "discoveredLabels": {},
        "labels": state.labels,
        "scrapePool": state.job,
        "scrapeUrl": state.url,
        "globalUrl": state.url,
        "lastError": state.error or "",
        "lastScrape": state.last_scrape.isoformat() if state.last_scrape else "0001-01-01T00:00:00Z",
        "lastScrapeDuration": state.seconds,
        "health": state.health,
    }


class Descriptions:
    """What senders say of their metrics; kept in a file, so that a restart does not forget it. The newest word wins."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known: dict[str, Metadata] = {}
        self._saved: dict[str, Metadata] = {}

    def load(self) -> None:
        """Read the file; one that cannot be read is forgotten: descriptions come again."""
        try:
            told = orjson.loads(self._path.read_bytes())
            self._known = {str(name): Metadata(*map(str, said)) for name, said in told.items()}
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, AttributeError) as error:
            log.warning("%s: not readable, begun anew: %s", self._path, error)
        self._saved = dict(self._known)

    def all(self) -> dict[str, Metadata]:
        return dict(self._known)

    def add(self, told: Mapping[str, Metadata]) -> None:
        with self._lock:
            for name, said in told.items():
                if name in self._known or len(self._known) < MOST_DESCRIBED:
                    self._known[name] = Metadata(said.type, said.help[:LONGEST_HELP], said.unit)

    def save(self) -> None:
        with self._lock:
            if self._known == self._saved:
                return
            self._saved = dict(self._known)
        draft = self._path.with_suffix(".draft")
        try:
            draft.write_bytes(orjson.dumps({n: [s.type, s.help, s.unit] for n, s in self._saved.items()}))
            draft.replace(self._path)
        except (OSError, TypeError) as error:  # a description with a lone surrogate cannot be written
            log.warning("%s: descriptions of metrics were not kept: %s", self._path, error)


def series_of(request: Request) -> Series:
    found = request.app.state.series
    assert isinstance(found, Series)
    return found
