"""Detectors against static thresholds, on labelled incidents: the demo's month and a day of Nezha.

    python benchmarks/anomaly_incidents.py [--home data] [--nezha ../shared/conformance/traffic/nezha/2022-08-22]

Every way is taken at its best threshold (and `for`) with at most two false alerts a week, chosen in hindsight on the
same time, static thresholds too; on one day that is none. The tables stand in docs/anomalies.md.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pitchey_slo as ps
from pitchey_slo.alert.rules import parse_rules
from pitchey_slo.analyse.anomaly import DETECTORS
from pitchey_slo.analyse.tune.tuning import tune
from pitchey_slo.analyse.watch import Judged, Watched, judge
from pitchey_slo.analyse.watch.judge import as_judged, best_of, quiet_ones, scores_of
from pitchey_slo.report.anomalies import nines, watched_by
from pitchey_slo.report.words import ago
from pitchey_slo.settings import shipped

NEZHA = Path(__file__).resolve().parents[2] / "shared" / "conformance" / "traffic" / "nezha" / "2022-08-22"
SHOP = (
    Watched("cpu", "max(shop_pod_cpu_percent)"),
    Watched("shop-slow", "shop_front_p90_seconds"),
    Watched("shop-fails", "100 - shop_front_success_percent"),
    Watched("call-slow", "max(shop_call_seconds)"),
)
FALSE = 2.0


def static(wb: ps.Workbench, watched: Sequence[Watched], start: datetime, end: datetime, known: Any) -> list[Judged]:
    """The best static threshold of each series, above and below, within the false alerts that are borne."""
    found = []
    for each in watched:
        for sign in (">", "<"):
            text = f"groups:\n- name: g\n  rules:\n  - alert: A\n    expr: ({each.expr}) {sign} 1\n"
            rule = parse_rules(text, file="static.yml")[0].rules[0]
            tuning = tune(rule, wb._series(), start, end, known, interval_seconds=60.0)
            quiet = [p for p in quiet_ones(list(tuning.points()), FALSE) if p.told]
            if quiet:
                best = best_of(tuning, quiet, "")
                found.append(replace(best, name=f"{each.name} {sign} {best.threshold:.3g}", threshold=math.nan))
    return found


def show(title: str, judged: Sequence[Judged]) -> None:
    print(f"\n{title}\n| way | found | false a week | median age when found | threshold | for |")
    print("|---|---|---|---|---|---|")
    for each in judged:
        age = ago(each.detect_seconds) if each.caught else "-"
        limit = nines(each.threshold) if math.isfinite(each.threshold) else "-"
        hold = ago(each.for_seconds) if each.for_seconds > 0 else "-"
        quiet = "" if each.within else " (cannot be so quiet)"
        found = f"{each.caught} of {each.incidents} | {each.false_per_week:.2g}"
        print(f"| {each.name}{quiet} | {found} | {age} | {limit} | {hold} |")


def table(
    wb: ps.Workbench, watched: Sequence[Watched], start: datetime, end: datetime, rules: Path, title: str
) -> None:
    known = wb.incidents(start, end)
    begun = time.perf_counter()
    scores = scores_of(watched, tuple(DETECTORS), wb._series(), start, end)
    judged = judge(scores, start, end, known, detectors=tuple(DETECTORS), false_per_week=FALSE)
    taken = time.perf_counter() - begun
    tested = wb.backtest(rules, start, end)
    written = [as_judged(s) for s in tested.scores if s.evaluated]
    together = as_judged(tested.together)
    show(f"{title}: detectors on {', '.join(w.name for w in watched)} ({taken:.1f} s)", judged)
    show(f"{title}: the rules that people wrote", [*(w for w in written if w.caught), together])
    best = static(wb, watched, start, end, known)
    show(f"{title}: the best static threshold of each series, in hindsight", best)
    by_static = {name for each in best for name in each.caught_ids} | set(together.caught_ids)
    for each in judged:
        only = [i for i in each.caught_ids if i not in by_static]
        if only:
            print(f"only {each.name} finds: {', '.join(only)}")


def nezha(folder: Path) -> None:
    """One day of a shop with 24 faults, loaded as the case study loads it."""
    explained = shipped("notebooks") / "nezha"
    with tempfile.TemporaryDirectory(prefix="nezha-") as home:
        kinds = {"*_metric.csv": "pods.yml", "front_service.csv": "front.yml",
                 "source_50.csv": "calls.yml", "destination_50.csv": "served.yml"}  # fmt: skip
        for pattern, mapping in kinds.items():
            files = sorted(str(path) for path in (folder / "metric").glob(pattern))
            ingest = ["ingest", *files, "--home", home, "--json", "--metrics", str(explained / mapping)]
            subprocess.run([sys.executable, "-m", "pitchey_slo", *ingest], check=True, capture_output=True, timeout=600)
        wb = ps.connect(home)
        (listed,) = folder.glob("*fault_list.json")
        for fault in (each for hour in json.loads(listed.read_text()).values() for each in hour):
            at = datetime.fromtimestamp(int(fault["inject_timestamp"]), UTC)
            pod = fault["inject_pod"]
            wb.label_incident(
                f"{fault['inject_type']} in {pod.rsplit('-', 2)[0]}", at, at + timedelta(minutes=4), by="Nezha",
                kind=fault["inject_type"], location=pod,
            )  # fmt: skip
        start, end = wb.reader.earliest("samples"), wb.reader.watermark("samples")
        assert start is not None
        assert end is not None
        table(ps.connect(home), SHOP, start, end, explained / "rules.yml", "Nezha's day")


def main() -> None:
    given = argparse.ArgumentParser()
    given.add_argument("--home", type=Path, default=Path("data"))
    given.add_argument("--nezha", type=Path, default=NEZHA)
    asked = given.parse_args()
    if (asked.home / "demo.json").exists():
        wb = ps.connect(asked.home)
        start, end = wb.span(None, None)
        rules = shipped("config") / "rules" / "alert_rules.yml"
        table(wb, watched_by(wb.settings), start, end, rules, "The demo's month")
    else:
        print(f"no demo in {asked.home}: `make demo SERVE=0` makes one")
    if asked.nezha.is_dir():
        nezha(asked.nezha)
    else:
        print(f"no Nezha in {asked.nezha}")


if __name__ == "__main__":
    main()
