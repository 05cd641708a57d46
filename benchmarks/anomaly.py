"""Anomaly detectors: points per core-second, the Numenta benchmark, and alarms on noise.

    python benchmarks/anomaly.py [--points 200000] [--noise] [--halves] [--scores DIR]

NAB is scored by `../shared/tools/nab_score` on `../shared/conformance/nab` when they lie beside the checkout, one
setting for all files. *Best* is the score at the threshold that suits the whole set best (standard profile, as the
published figures), *fixed* at 0.9999, chosen beforehand; low FP and low FN are the other two profiles at their best. A
row whose time does not come after the one before (clocks put back) gets no score; no score counts as 0. `--halves` also
chooses the threshold on one half of the files and scores the other, forty times, and leaves out one group of files
after another. `--noise` counts the ensemble's alarms in six weeks of eleven kinds of noise. `--scores` writes the CSV
files that nab_score reads.
"""

from __future__ import annotations

import argparse
import csv
import time
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import numpy as np

from pitchey_slo.analyse.anomaly import DETECTORS, detector

SHARED = Path(__file__).resolve().parents[2] / "shared"
NAB = SHARED / "conformance" / "nab"
FIXED = 0.9999
MINUTE = 60_000
WEEK = 7 * 24 * 60


def judge() -> Any:
    """nab_score as a module; None when it does not lie beside the checkout."""
    path = SHARED / "tools" / "nab_score"
    if not path.exists() or not NAB.exists():
        return None
    loader = SourceFileLoader("nab_score", str(path))
    module = module_from_spec(spec_from_loader("nab_score", loader))  # type: ignore[arg-type]
    module.__loader__.exec_module(module)  # type: ignore[union-attr]
    return module


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with path.open(encoding="utf-8") as lines:
        rows = list(csv.reader(lines))[1:]
    times = np.array([row[0] for row in rows], "datetime64[ms]").astype(np.int64)
    return times, np.array([float(row[1]) for row in rows])


def nab_scores(name: str, files: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, np.ndarray]:
    scores = {}
    for file, (times, values) in files.items():
        on = np.r_[True, times[1:] > np.maximum.accumulate(times)[:-1]]
        scores[file] = np.zeros(len(times))
        scores[file][on] = np.nan_to_num(detector(name).batch(times[on], values[on]))
    return scores


def halves(nab: Any, scores: dict[str, np.ndarray]) -> tuple[float, float]:
    """Mean and standard deviation of the score at a threshold chosen on other files."""
    draw, found = np.random.default_rng(0), []
    groups: dict[str, list[str]] = {}
    for file in sorted(scores):
        groups.setdefault(file.split("/")[0], []).append(file)
    for _ in range(20):
        first = {file for files in groups.values() for file in _about_half(files, draw)}
        found.extend(elsewhere(nab, scores, chosen) for chosen in (first, set(scores) - first))
    return float(np.mean(found)), float(np.std(found))


def _about_half(files: list[str], draw: np.random.Generator) -> list[str]:
    return list(draw.permutation(files)[: (len(files) + draw.integers(0, 2)) // 2])


def elsewhere(nab: Any, scores: dict[str, np.ndarray], chosen: set[str]) -> float:
    """The score of the other files at the best threshold of the chosen ones."""
    best = nab.evaluate(NAB, {f: s for f, s in scores.items() if f in chosen})["standard"]["threshold"]
    return float(nab.evaluate(NAB, {f: s for f, s in scores.items() if f not in chosen}, best)["standard"]["at_fixed"])


def groups_left_out(nab: Any, scores: dict[str, np.ndarray]) -> str:
    groups = sorted({file.split("/")[0] for file in scores} - {"artificialNoAnomaly"})  # no windows, no score
    told = [(group, elsewhere(nab, scores, {f for f in scores if not f.startswith(group)})) for group in groups]
    return ", ".join(f"{group} {score:.1f}" for group, score in told)


def speed(name: str, points: int) -> tuple[float, float]:
    """Points per second of one core in batch and step by step, on a noisy daily wave."""
    draw = np.random.default_rng(1)
    times = MINUTE * np.arange(points)
    values = 100 + 30 * np.sin(np.arange(points) * 2 * np.pi / 1440) + draw.normal(0, 5, points)
    detector(name).batch(times[:1000], values[:1000])
    begun = time.process_time()
    detector(name).batch(times, values)
    batch = points / (time.process_time() - begun)
    scorer, steps = detector(name).scorer(), min(points, 3000)
    begun = time.process_time()
    for t, v in zip(times[:steps].tolist(), values[:steps].tolist(), strict=True):
        scorer.step(t, v)
    return batch, steps / (time.process_time() - begun)


def noises(n: int) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(3)
    wave = np.sin(np.arange(n) % 1440 / 1440 * 2 * np.pi)
    walk = np.zeros(n)
    for i, step in enumerate(draw.normal(size=n - 1)):
        walk[i + 1] = 0.99 * walk[i] + step
    return {
        "normal": draw.normal(size=n),
        "lognormal": draw.lognormal(0, 1, n),
        "exponential": draw.exponential(size=n),
        "Student t, 3 degrees": draw.standard_t(3, n),
        "Poisson 0.1": draw.poisson(0.1, n).astype(float),
        "one in a hundred": (draw.random(n) < 0.01).astype(float),
        "error ratio of 60": draw.binomial(60, 0.01, n) / 60.0,
        "daily wave, normal": 100 + 50 * wave + draw.normal(0, 5, n),
        "daily wave, Poisson": draw.poisson(20 + 15 * wave).astype(float),
        "autoregressive 0.99": walk,
        "random walk": np.cumsum(draw.normal(size=n)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=200_000)
    parser.add_argument("--noise", action="store_true")
    parser.add_argument("--halves", action="store_true")
    parser.add_argument("--scores", type=Path)
    parser.add_argument("--detectors", nargs="*", default=list(DETECTORS), metavar="NAME")
    given = parser.parse_args()
    nab = judge()
    files = {f: read(NAB / "data" / f) for f in sorted(_windows())} if nab else {}
    print(f"{'detector':14}{'batch/s':>12}{'steps/s':>10}", end="")
    print(
        f"{'NAB best':>10}{'at':>12}{'fixed':>8}{'low FP':>8}{'low FN':>8}" if nab else "  (no NAB beside the checkout)"
    )
    for name in given.detectors:
        batch, steps = speed(name, given.points)
        line = f"{name:14}{batch:12,.0f}{steps:10,.0f}"
        scores = nab_scores(name, files)
        if nab:
            result = nab.evaluate(NAB, scores, FIXED)
            best = result["standard"]
            line += f"{best['score']:10.1f}{best['threshold']:12.7f}{best['at_fixed']:8.1f}"
            line += f"{result['reward_low_FP_rate']['score']:8.1f}{result['reward_low_FN_rate']['score']:8.1f}"
        print(line, flush=True)
        if nab and given.halves:
            mean, deviation = halves(nab, scores)
            print(f"  threshold from the other half: {mean:.1f} +- {deviation:.1f}")
            print(f"  threshold from the other groups: {groups_left_out(nab, scores)}")
        if given.scores and nab:
            write(given.scores / name, scores)
    if given.noise:
        print(f"\nalarms above {FIXED} in each of six weeks at one sample a minute")
        for kind, values in noises(6 * WEEK).items():
            scores_of = detector("ensemble").batch(MINUTE * np.arange(len(values)), values)
            print(f"  {kind:22}", *(f"{int((scores_of[w * WEEK : (w + 1) * WEEK] > FIXED).sum()):4}" for w in range(6)))


def _windows() -> dict[str, Any]:
    import json

    return dict(json.loads((NAB / "combined_windows.json").read_text(encoding="utf-8")))


def write(folder: Path, scores: dict[str, np.ndarray]) -> None:
    for file, numbers in scores.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("anomaly_score\n" + "\n".join(f"{number:.17g}" for number in numbers) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
