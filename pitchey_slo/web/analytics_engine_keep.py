"""What a pull from Analytics Engine works with here: the settings' account, the file's mapping, and the store, which
keeps rows and watermark."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import pyarrow as pa

from pitchey_slo.collect.analytics_engine import FILE, Mark, PullConfig, SqlApi, load
from pitchey_slo.errors import ConfigError
from pitchey_slo.settings import Settings
from pitchey_slo.store import LakeReader, Store


class StoreKeep:
    """Rows and watermark in a store (`collect.analytics_engine.Keep`)."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store, self._clock = store, clock
        self._reader: LakeReader | None = None
        self._flushed = False

    def mark(self, dataset: str) -> Mark | None:
        text = self._store.fact(_fact(dataset))
        return None if text is None else Mark.of(text)

    def put_mark(self, dataset: str, mark: Mark) -> None:
        self._store.put_fact(_fact(dataset), mark.text())

    def known(self, table: str, source: str, start: datetime, end: datetime) -> pa.Table:
        which = "source = ? AND event_id IS NOT NULL"
        if start >= self._clock() - timedelta(days=self._store.settings.hot_days):
            sql = f"SELECT event_id, sample_interval FROM {table} WHERE {which} AND ts >= ? AND ts < ?"
            return self._store.query(sql, [source, start, end])
        if not self._flushed:  # hot is trimmed there, and may have the newest rows of it
            self._store.flush()
            self._flushed = True
        settings = self._store.settings
        if self._reader is None:
            self._reader = LakeReader(settings.lake_uri, settings.storage_options, settings.memory_limit)
        rows = self._reader.source(table, start, end)
        return self._reader.query(f"SELECT event_id, sample_interval FROM {rows} WHERE {which}", [source])

    def put(self, rows: Mapping[str, pa.Table]) -> Mapping[str, int]:
        self._flushed = False
        return {table: receipt.stored for table, receipt in self._store.append_all(rows).items()}


def _fact(dataset: str) -> str:
    return f"analytics_engine:{dataset}"


def configured(settings: Settings) -> PullConfig:
    """What the file says, ANALYTICS_ENGINE where it is set. Raises ConfigError, also when there is no file."""
    path = settings.config / FILE
    try:
        return load(path, settings.analytics_engine if "analytics_engine" in settings.model_fields_set else None)
    except FileNotFoundError:
        raise ConfigError("not there", file=path, hint="`pitchey-slo init` writes one") from None


def sql_api(settings: Settings, clock: Callable[[], datetime]) -> SqlApi:
    """The API of the settings' account. Raises ConfigError when account or token are missing."""
    for key in ("cloudflare_account_id", "cloudflare_api_token"):
        if not getattr(settings, key):
            field = Settings.model_fields[key]
            raise ConfigError("not set", key=field.alias, hint=field.description)
    account, token = settings.cloudflare_account_id, settings.cloudflare_api_token
    assert account is not None
    assert token is not None
    return SqlApi(settings.cloudflare_api_url, account, token, limit=settings.body_limit, clock=clock)
