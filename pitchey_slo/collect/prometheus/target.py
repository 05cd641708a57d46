"""One target over time: its expositions -> the samples that are stored, the markers of what ended among them.

Beside what a target exposes, each scrape makes five samples: `up` (1 or 0), `scrape_duration_seconds`,
`scrape_samples_scraped`, `scrape_samples_post_metric_relabeling`, `scrape_series_added`. A series that was there
last time and is gone gets the stale marker; after a failed scrape all of them do. Series whose samples bring their
own times are left alone, as in Prometheus, unless `track_timestamps_staleness` says otherwise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

import numpy as np
from numpy.typing import NDArray

from pitchey_slo.collect.prometheus.jobs import Group, Job
from pitchey_slo.collect.prometheus.relabel import relabel, relabel_series
from pitchey_slo.collect.prometheus.text import Exposition, TextParser
from pitchey_slo.errors import CollectError
from pitchey_slo.series import STALE, Labels, SampleBatch, labels_of

REPORTS: Final = (
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
)
_NONE: Final = np.empty(0, np.int64)

Key = tuple[str, str, Labels]


@dataclass(frozen=True)
class Target:
    """Where to ask, and the labels (`job`, `instance`, ...) that its series get."""

    job: Job
    url: str
    labels: Labels

    @property
    def key(self) -> Key:
        """What makes it this target and no other."""
        return self.job.name, self.url, self.labels

    def offset(self) -> float:
        """Seconds after each full interval at which it is asked: the same after every start, different for each."""
        seed = hashlib.blake2b(f"{self.url}\xff{self.labels}".encode(), digest_size=8).digest()
        return int.from_bytes(seed, "big") / 2**64 * self.job.interval


def targets_of(job: Job, groups: Sequence[tuple[Group, Mapping[str, str]]]) -> list[Target]:
    """The targets of groups (each with extra labels of how it was found) after relabelling, each once.

    Raises CollectError when relabelling leaves something that is no address.
    """
    found: dict[Key, Target] = {}
    for group, extra in groups:
        for address in group.targets:
            target = _target(job, {**group.labels, **extra, "__address__": address})
            if target is not None:
                found[target.key] = target
    return list(found.values())


def _target(job: Job, given: Mapping[str, str]) -> Target | None:
    labels = {
        "job": job.name,
        "__scheme__": job.scheme,
        "__metrics_path__": job.metrics_path,
        "__scrape_interval__": f"{job.interval:g}s",
        "__scrape_timeout__": f"{job.timeout:g}s",
        **{f"__param_{name}": values[0] for name, values in job.params.items() if values},
        **given,
    }
    done = relabel(labels, job.relabel)
    if done is None:
        return None
    address, scheme = done.get("__address__", ""), done.get("__scheme__", "http")
    if not address or any(c in address for c in "/?#@ \n"):
        raise CollectError(f"job {job.name}: {address!r} is no address (host:port)")
    if scheme not in ("http", "https"):
        raise CollectError(f"job {job.name}: scheme {scheme!r} of {address}; http or https")
    params = {name: list(values) for name, values in job.params.items()}
    for name, value in done.items():
        if name.startswith("__param_"):
            params[name[8:]] = [value, *params.get(name[8:], [])[1:]]
    query = f"?{urlencode(params, doseq=True)}" if params else ""
    path = done.get("__metrics_path__", "/metrics")
    url = f"{scheme}://{address}{'' if path.startswith('/') else '/'}{path}{query}"
    kept = {name: value for name, value in done.items() if not name.startswith("__")}
    kept.setdefault("instance", address)
    return Target(job, url, labels_of(kept))


class TargetSeries:
    """The memory of one target: which series its last scrape had. Times are milliseconds."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._job = target.job
        self._parser = TextParser(self._finish)
        self._last: NDArray[np.int64] = _NONE  # parser's numbers of the series of the last scrape
        self._reports = [labels_of([("__name__", name), *target.labels]) for name in REPORTS]

    def scraped(self, body: bytes, *, openmetrics: bool, now: int, seconds: float) -> SampleBatch:
        """The samples of a scrape that answered; raises CollectError when what it answered cannot be taken, and then
        nothing is remembered of it (say `failed` next)."""
        told = self._parser.parse(body, now=now, openmetrics=openmetrics)
        batch, limits = told.batch, self._job.limits
        if limits.sample_limit and len(batch) > limits.sample_limit:
            raise CollectError(f"{len(batch)} samples after relabelling, sample_limit is {limits.sample_limit}")
        if not self._job.honor_timestamps:
            batch.ts[:] = now
        tracked = told.ids if self._all_tracked() else told.ids[~told.timed]
        current = np.unique(tracked)
        gone = np.setdiff1d(self._last, current, assume_unique=True)
        added = np.setdiff1d(current, self._last, assume_unique=True)
        whole = self._with(batch, gone, now, (1.0, seconds, told.scraped, len(batch), len(added)))
        self._last = current
        self._trim(told)
        return whole

    def failed(self, *, now: int, seconds: float) -> SampleBatch:
        """The samples of a scrape that failed: `up` 0, and the end of everything it had."""
        whole = self._with(_empty(), self._last, now, (0.0, seconds, 0, 0, 0))
        self._last = _NONE
        return whole

    def ended(self, *, now: int) -> SampleBatch:
        """Markers for all its series and its reports: nobody asks this target any more."""
        labels = [*(self._parser.labels[i] for i in self._last), *self._reports]
        self._last = _NONE
        return SampleBatch(
            labels, np.arange(len(labels)), np.full(len(labels), now, np.int64), np.full(len(labels), STALE)
        )

    def _all_tracked(self) -> bool:
        return self._job.track_timestamps_staleness or not self._job.honor_timestamps

    def _with(self, batch: SampleBatch, gone: NDArray[np.int64], now: int, reports: tuple[float, ...]) -> SampleBatch:
        """The batch with markers for series that are gone, and the reports."""
        ends = [self._parser.labels[i] for i in gone]
        more = len(ends) + len(self._reports)
        start = len(batch.labels)
        return SampleBatch(
            [*batch.labels, *ends, *self._reports],
            np.concatenate([batch.series, np.arange(start, start + more)]),
            np.concatenate([batch.ts, np.full(more, now, np.int64)]),
            np.concatenate([batch.value, np.full(len(ends), STALE), np.array(reports, np.float64)]),
            batch.metadata,
        )

    def _trim(self, told: Exposition) -> None:
        """Forgets what comes no more (series, also dropped ones, and texts) once it is the greater part."""
        if self._parser.remembered > 2 * told.scraped + 1000:
            live = np.unique(told.ids)
            self._parser.prune(live)
            self._last = np.searchsorted(live, self._last)

    def _finish(self, labels: Labels) -> Labels | None:
        """Labels as exposed -> labels as stored: the target's own, relabelling, limits."""
        merged = dict(labels)
        for name, value in self.target.labels:
            if self._job.honor_labels:
                merged.setdefault(name, value)
            else:
                if name in merged:
                    old = name
                    while old in merged or any(old == n for n, _ in self.target.labels):
                        old = f"exported_{old}"
                    merged[old] = merged[name]
                merged[name] = value
        done = relabel_series(labels_of(merged), self._job.metric_relabel)
        if done is None:
            return None
        if not any(name == "__name__" for name, _ in done):
            raise CollectError(f"metric_relabel_configs leave {dict(labels)['__name__']!r} without a name")
        self._check(done)
        return done

    def _check(self, labels: Labels) -> None:
        limits = self._job.limits
        if limits.label_limit and len(labels) > limits.label_limit:
            raise CollectError(f"{_name(labels)}: {len(labels)} labels, label_limit is {limits.label_limit}")
        for name, value in labels:
            if limits.label_name_length_limit and len(name.encode()) > limits.label_name_length_limit:
                raise CollectError(f"{_name(labels)}: label name {name[:50]!r} is longer than label_name_length_limit")
            if limits.label_value_length_limit and len(value.encode()) > limits.label_value_length_limit:
                raise CollectError(f"{_name(labels)}: the value of {name} is longer than label_value_length_limit")


def _name(labels: Labels) -> str:
    return next(value for name, value in labels if name == "__name__")


def _empty() -> SampleBatch:
    return SampleBatch([], _NONE, _NONE, np.empty(0))
