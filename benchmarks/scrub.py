"""Scrubbing: how much it finds, how much it spares, and how fast, beside Presidio's recognizers and Sentry's scrubber.

`python benchmarks/scrub.py [lines]`; with `--others PYTHON` the same cases go through presidio-analyzer and sentry-sdk,
which that other interpreter has installed (they are no dependency of ours). Recall counts values of which nothing long
is left; false positives are clean lines that changed. "seen" lines may have been looked at while rules were written,
"held out" ones only counted. Speed is by processor time of one process, then by the clock of two processes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import benchmarks.machine as machine
from pitchey_slo.scrub import Policy, Scrubber
from pitchey_slo.testing import rows
from tests.scrub.corpus import Case, clean, gone, planted

KEY = b"k" * 32
PII = Path(__file__).resolve().parents[2] / "shared" / "conformance" / "pii"
RECOGNIZERS = {
    **{"credit_card_recognizer": "card", "email_recognizer": "email", "iban_recognizer": "iban"},
    **{"ip_recognizer": "ip", "phone_recognizer": "phone", "us_ssn_recognizer": "ssn"},
}


def by_others(python: str | None, texts: list[str]) -> dict[str, list[str]]:
    """The texts as Presidio's recognizers and Sentry's scrubber leave them."""
    if python is None:
        return {}
    script = Path(__file__).with_name("_scrub_others.py")
    done = subprocess.run([python, str(script)], input=json.dumps(texts), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def shares(cases: list[Case], after: list[str]) -> dict[str, tuple[int, int]]:
    """(gone, all) by kind, and by plain and disguised."""
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for case, text in zip(cases, after, strict=True):
        plain = case.disguise == "plain"
        for name in ("plain" if plain else "disguised", f"{case.kind}{'' if plain else ', disguised'}"):
            found[name][0] += gone(case, text)
            found[name][1] += 1
    return {name: (a, b) for name, (a, b) in found.items()}


def recall(count: int, others: str | None) -> None:
    for held in (False, True):
        cases = list(planted(count, seed=90, held=held))
        lines = list(clean(20 * count, seed=90, held=held))
        own = Scrubber.default(KEY)
        texts = [c.text for c in cases] + lines
        after = {"ours": [own.text(text) for text in texts], **by_others(others, texts)}
        print(f"\n{'held out' if held else 'seen'}: {len(cases):,} values, {len(lines):,} clean lines")
        print(f"{'recall':28}" + "".join(f"{name:>12}" for name in after))
        tables = {name: shares(cases, done[: len(cases)]) for name, done in after.items()}
        for kind in sorted(tables["ours"], key=lambda k: (k not in ("plain", "disguised"), k)):
            print(f"{kind:28}" + "".join(f"{t[kind][0] / t[kind][1]:12.4f}" for t in tables.values()))
        wrong = {n: sum(a != b for a, b in zip(done[len(cases) :], lines, strict=True)) for n, done in after.items()}
        print(f"{'clean lines changed':28}" + "".join(f"{n / len(lines):12.4f}" for n in wrong.values()))


def conformance(others: str | None) -> None:
    """Presidio's own expected spans, and gitleaks' secrets; a span is gone when its text is."""
    if not PII.exists():
        return
    spans: list[tuple[str, str, str]] = []
    for case in json.loads((PII / "presidio/recognizer_cases.json").read_text()):
        args = case["args"]
        text = args.get("text") or args.get("iban") or ""
        for start, end in args.get("expected_positions") or args.get("expected_res") or []:
            if case["recognizer"] in RECOGNIZERS:
                spans.append((RECOGNIZERS[case["recognizer"]], text, text[start:end]))
    leaks = json.loads((PII / "gitleaks_cases.json").read_text())
    own = Scrubber(Policy(keep_networks=()), KEY)
    texts = [text for _, text, _ in spans] + [c["text"] for c in leaks]
    after = {"ours": [own.text(text) for text in texts], **by_others(others, texts)}
    print(f"\n{'cases of others':28}" + "".join(f"{name:>12}" for name in after))
    for kind in RECOGNIZERS.values():
        at = [i for i, (k, _, _) in enumerate(spans) if k == kind]
        cells = [sum(spans[i][2] not in done[i] for i in at) / len(at) for done in after.values()]
        print(f"{f'presidio {kind} ({len(at)})':28}" + "".join(f"{cell:12.4f}" for cell in cells))
    for label in ("secret", "benign"):
        at = [i for i, c in enumerate(leaks, len(spans)) if c["label"] == label]
        cells = [sum(done[i] != texts[i] for i in at) / len(at) for done in after.values()]
        print(f"{f'gitleaks {label} ({len(at)}) changed':28}" + "".join(f"{cell:12.4f}" for cell in cells))


def mixture(count: int, share: float, seed: int = 91) -> pa.Table:
    """Log rows of which `share` hold a value, one in ten of those in disguise."""
    cases = list(planted(60, seed=seed, held=False))
    plain = [c.text for c in cases if c.disguise == "plain"]
    hidden = [c.text for c in cases if c.disguise != "plain"]
    lines = list(clean(count, seed=seed, held=False))
    every = round(1 / share) if share else 0
    for n, i in enumerate(range(0, count, every) if every else ()):
        lines[i] = hidden[n % len(hidden)] if n % 10 == 9 else f"{n} {plain[n % len(plain)]}"
    return pa.table({"message": lines, "source": ["api"] * count})


def one(count: int, share: float, seed: int = 91) -> float:
    """Seconds of processor time for `count` lines, the first thousand apart."""
    table, own = mixture(count, share, seed), Scrubber.default(KEY)
    own.rows("logs", table.slice(0, count // 4))
    began = time.process_time()
    own.rows("logs", table)
    return time.process_time() - began


def _wall(count: int, share: float, seed: int) -> float:
    table, own = mixture(count, share, seed), Scrubber.default(KEY)
    own.rows("logs", table.slice(0, count // 4))
    began = time.perf_counter()
    own.rows("logs", table)
    return time.perf_counter() - began


def speed(count: int) -> None:
    print(f"\nlog lines of {sum(map(len, clean(1_000, seed=91, held=False))) / 1_000:.0f} characters, all different")
    for share in (0.0, 0.01, 0.05, 0.2):
        alone = one(count, share)
        with ProcessPoolExecutor(2) as pool:
            both = max(pool.map(_wall, (count, count), (share, share), (91, 92)))
        print(
            f"{share:5.0%} with a value: {count / alone:10,.0f} lines/s of one core, "
            f"{2 * count / both:10,.0f} lines/s in two processes"
        )
    real = Path(PII).parent / "logs/OpenStack/OpenStack_2k.log"
    if real.exists():
        lines = [f"{line} {i}" for i in range(25) for line in real.read_text().splitlines()]
        own, began = Scrubber.default(KEY), time.process_time()
        own.rows("logs", pa.table({"message": lines}))
        took = time.process_time() - began
        print(f"OpenStack, every second line with an address: {len(lines) / took:10,.0f} lines/s of one core")
    table = rows("requests", count, route="/api/pitches/:id", source="api")
    ids = pa.array([f"{i:032x}" for i in range(count)])
    for name in ("trace_id", "user_hash", "event_id"):
        table = table.set_column(table.schema.get_field_index(name), name, ids)
    own = Scrubber.default(KEY)
    took = 1e9
    for _ in range(4):
        began = time.process_time()
        own.rows("requests", table)
        took = min(took, time.process_time() - began)
    print(f"clean request rows: {took / count * 1e6:.2f} us a row, {took / count * 340_000:.1%} of 340,000 rows/s")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("lines", type=int, nargs="?", default=20_000)
    options.add_argument("--count", type=int, default=100, help="values of each kind and disguise")
    options.add_argument("--others", help="an interpreter with presidio-analyzer and sentry-sdk")
    given = options.parse_args()
    print(machine.line())
    recall(given.count, given.others)
    conformance(given.others)
    speed(given.lines)


if __name__ == "__main__":
    main()
