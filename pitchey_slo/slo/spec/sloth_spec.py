"""Specs of slok/sloth as SLOs: whoever has them keeps the same windows and factors.

Read are `version: prometheus/v1` and the Kubernetes kind `PrometheusServiceLevel`, with `AlertWindows` files for
windows of one's own. Queries become `type: prometheus` sources; a disabled `page_alert` or `ticket_alert` leaves
its pairs out. Plugins are Go code that makes queries or changes rules: a spec with one is refused, by name. Names and
routing labels of alerts are not taken over: ours are told apart by `slo`, `windows` and `severity`.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from pitchey_slo.slo.alerts.burn import scaled
from pitchey_slo.slo.model import (
    BurnPair,
    Duration,
    Indicator,
    MetricSource,
    Objective,
    Place,
    Ratio,
    Raw,
    Slo,
    TimeWindow,
)
from pitchey_slo.slo.spec import schema
from pitchey_slo.slo.spec.check import Problems, check, line_of, raise_all
from pitchey_slo.slo.spec.documents import load

VERSION = "prometheus/v1"
CRD = "PrometheusServiceLevel"
#: What sloth calls things, and what its Kubernetes kind calls them.
_SNAKE = ("error_query", "total_query", "error_ratio_query", "page_alert", "ticket_alert", "slo_plugins")
_CAMEL = ("errorQuery", "totalQuery", "errorRatioQuery", "pageAlert", "ticketAlert", "sloPlugins")
#: sloth writes `1d` and `36h`, and Prometheus' durations have no months.
_WINDOW = schema.Length(fixed=True)


@dataclass(frozen=True)
class Windows:
    """A set of burn windows of somebody's own: pairs for SLO windows of `period`."""

    period: Duration
    pairs: tuple[BurnPair, ...]


def read_sloth(path: str | Path, period: str = "30d", windows: Windows | None = None) -> tuple[Slo, ...]:
    """The SLOs of a file or of all files of a folder, over `period` (sloth's own default is 30d). ConfigError lists
    every problem, with file and line."""
    files = sorted(p for p in Path(path).rglob("*.y*ml") if p.is_file()) if Path(path).is_dir() else [Path(path)]
    found, problems = [], []
    for file in files:
        noted = Problems(str(file))
        found += parse_sloth(file.read_text("utf-8-sig"), noted, period, windows)
        problems += noted.found
    raise_all(problems)
    return _unique(found)


def parse_sloth(text: str, problems: Problems, period: str = "30d", windows: Windows | None = None) -> list[Slo]:
    """As `read_sloth`, from text; what is wrong is noted in `problems`."""
    length = Duration.parse((windows and str(windows.period)) or period)
    found = []
    for data in load(text, problems):
        if data is None:
            continue
        camel = isinstance(data, dict) and data.get("kind") == CRD
        if not check(data, _CRD_DOCUMENT if camel else _DOCUMENT, problems, line=line_of(data, None)):
            continue
        reader = _Reader(data["spec"] if camel else data, problems, _names(camel), length, windows)
        found += reader.slos()
    return found


def read_windows(path: str | Path) -> Windows:
    """An `AlertWindows` file of sloth. ConfigError with file and line for one that is none."""
    problems = Problems(str(path))
    documents = [d for d in load(Path(path).read_text("utf-8-sig"), problems) if d is not None]
    for data in documents:
        check(data, _WINDOWS_DOCUMENT, problems, line=line_of(data, None))
    if not documents and not problems.found:
        problems.add(1, "", "nothing in it", "kind: AlertWindows")
    raise_all(problems.found)
    spec = documents[0]["spec"]
    period = Duration.parse(spec["sloPeriod"])
    pairs = [
        _pair(spec[severity][speed], severity, period) for severity in ("page", "ticket") for speed in ("quick", "slow")
    ]
    return Windows(period, tuple(pairs))


def _pair(entry: Mapping[str, Any], severity: str, period: Duration) -> BurnPair:
    long, short = Duration.parse(entry["longWindow"]), Duration.parse(entry["shortWindow"])
    share = Decimal(str(entry["errorBudgetPercent"])) / 100
    return BurnPair(long, short, float(share * (period.minutes or 0) / (long.minutes or 1)), severity)


@dataclass(frozen=True)
class _Reader:
    """One spec. `names`: sloth's word -> the word in this document."""

    spec: Any
    problems: Problems
    names: Mapping[str, str]
    period: Duration
    windows: Windows | None

    def slos(self) -> list[Slo]:
        self._refuse_plugins(self.spec.get(self.names["slo_plugins"]), self.spec, self.names["slo_plugins"])
        return [slo for i in range(len(self.spec["slos"])) if (slo := self._slo(i, f"slos[{i}]"))]

    def _slo(self, number: int, path: str) -> Slo | None:
        entry = self.spec["slos"][number]
        self._refuse_plugins(entry.get("plugins"), entry, f"{path}.plugins")
        if self.problems.found:
            return None
        alerting = entry.get("alerting") or {}
        labels = {**(self.spec.get("labels") or {}), **(entry.get("labels") or {}), **(alerting.get("labels") or {})}
        indicator = self._indicator(entry, path)
        if indicator is None:
            return None
        return Slo(
            name=entry["name"],
            service=self.spec["service"],
            indicator=indicator,
            method="Occurrences",
            objectives=(Objective(float(Decimal(str(entry["objective"])) / 100)),),
            windows=(TimeWindow(self.period),),
            description=(entry.get("description") or "").strip(),
            labels={str(key): (str(value),) for key, value in labels.items()},
            annotations={str(k): str(v) for k, v in (alerting.get("annotations") or {}).items()},
            burn_pairs=self._pairs(alerting),
            place=Place(self.problems.file, line_of(self.spec["slos"], number), path),
        )

    def _indicator(self, entry: Any, path: str) -> Indicator | None:
        sli = entry["sli"]
        if sli.get("plugin"):
            name = sli["plugin"].get("id")
            hint = "write its queries under sli.events"
            self.problems.add(
                line_of(sli, "plugin"), f"{path}.sli.plugin", f"{name!r} is a plugin of sloth, code", hint
            )
            return None
        events, raw = sli.get("events"), sli.get("raw")
        if events:
            bad, total = (
                self._source(events, self.names[key], f"{path}.sli.events") for key in ("error_query", "total_query")
            )
            return Indicator(entry["name"], Ratio(None, bad, total))
        return Indicator(
            entry["name"], Raw(self._source(raw, self.names["error_ratio_query"], f"{path}.sli.raw"), "failure")
        )

    def _source(self, parent: Any, key: str, path: str) -> MetricSource:
        place = Place(self.problems.file, line_of(parent, key), f"{path}.{key}")
        return MetricSource("prometheus", None, {"query": parent[key].strip()}, place)

    def _pairs(self, alerting: Mapping[str, Any]) -> tuple[BurnPair, ...]:
        known = self.windows.pairs if self.windows else scaled("google", self.period.minutes or 0)
        off = {s for s in ("page", "ticket") if (alerting.get(self.names[f"{s}_alert"]) or {}).get("disable")}
        return tuple(p for p in known if p.severity not in off)

    def _refuse_plugins(self, given: Any, parent: Any, key: str) -> None:
        if not given:
            return
        ids = ", ".join(str(each.get("id")) for each in given.get("chain") or [] if isinstance(each, dict))
        what = f"{ids or 'plugins'}: plugins of sloth are code that changes rules"
        self.problems.add(
            line_of(parent, key.rpartition(".")[2]), key, what, "remove them; amounts are summed here anyway"
        )


def _unique(slos: list[Slo]) -> tuple[Slo, ...]:
    """sloth's names are unique within a service; where two services share one, the service goes before it."""
    times = Counter(slo.name for slo in slos)
    return tuple(dataclasses.replace(s, name=f"{s.service}-{s.name}") if times[s.name] > 1 else s for s in slos)


def _names(camel: bool) -> dict[str, str]:
    return dict(zip(_SNAKE, _CAMEL if camel else _SNAKE, strict=True))


def _spec(camel: bool) -> dict[str, schema.Node]:
    """Keys of a spec; `!` marks those that must be there."""
    name = _names(camel)
    alert = schema.record({"disable": schema.Flag(), "labels": schema.Anything(), "annotations": schema.Anything()})
    alerting = schema.record(
        {
            "name": schema.Text(),
            "labels": schema.Anything(),
            "annotations": schema.Anything(),
            name["page_alert"]: alert,
            name["ticket_alert"]: alert,
        }
    )
    events = schema.record({f"!{name['error_query']}": schema.Text(), f"!{name['total_query']}": schema.Text()})
    sli = schema.record(
        {
            "events": events,
            "raw": schema.record({f"!{name['error_ratio_query']}": schema.Text()}),
            "plugin": schema.Anything(),
        },
        schema.one("events", "raw", "plugin"),
    )
    slo = schema.record(
        {
            "!name": schema.Text(),
            "!objective": schema.Number(low=0, high=100, high_open=True),
            "description": schema.Text(empty=True),
            "labels": schema.Anything(),
            "plugins": schema.Anything(),
            "!sli": sli,
            "alerting": alerting,
        }
    )
    return {
        "!service": schema.Text(),
        "labels": schema.Anything(),
        name["slo_plugins"]: schema.Anything(),
        "!slos": schema.Items(slo, at_least=1),
    }


_DOCUMENT = schema.record({"!version": schema.Text(choices=(VERSION,)), **_spec(camel=False)})
_CRD_DOCUMENT = schema.record(
    {
        "!apiVersion": schema.Text(choices=("sloth.slok.dev/v1",)),
        "!kind": schema.Text(choices=(CRD,)),
        "metadata": schema.Anything(),
        "!spec": schema.record(_spec(camel=True)),
    }
)
_SPEED = schema.record(
    {
        "!errorBudgetPercent": schema.Number(low=0, low_open=True, high=100),
        "!shortWindow": _WINDOW,
        "!longWindow": _WINDOW,
    }
)
_BOTH = schema.record({"!quick": _SPEED, "!slow": _SPEED})
_WINDOWS_DOCUMENT = schema.record(
    {
        "!apiVersion": schema.Text(choices=("sloth.slok.dev/v1",)),
        "!kind": schema.Text(choices=("AlertWindows",)),
        "metadata": schema.Anything(),
        "!spec": schema.record({"!sloPeriod": _WINDOW, "!page": _BOTH, "!ticket": _BOTH}),
    }
)
