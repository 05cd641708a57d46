"""How much is found, on lines made from a seed, on Presidio's cases and on gitleaks': the aims of docs/scrubbing.md."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pitchey_slo.scrub import Policy, Scrubber
from tests.scrub.corpus import clean, gone, planted

#: Presidio's recognizer -> our rule, and the least share of its expected spans that must be gone.
PRESIDIO = {
    "credit_card_recognizer": ("card", 1.0),
    "email_recognizer": ("email", 1.0),
    "iban_recognizer": ("iban", 1.0),
    "ip_recognizer": ("ip", 0.98),  # 192.168.1.1.1 is no address here
    "phone_recognizer": ("phone", 0.94),  # "is415-555-0132" has no gap before it
    "us_ssn_recognizer": ("ssn", 0.57),  # nine digits, or other groups, are none here without a field's name
}


@pytest.mark.parametrize("held", [False, True], ids=["seen", "held out"])
def test_99_percent_of_plain_and_95_of_disguised_values_are_gone(scrub: Scrubber, held: bool) -> None:
    found: Counter[tuple[str, bool]] = Counter()
    by_kind: Counter[tuple[str, str, bool]] = Counter()
    for case in planted(25, seed=20, held=held):
        after = gone(case, scrub.text(case.text))
        found["plain" if case.disguise == "plain" else "disguised", after] += 1
        by_kind[case.kind, case.disguise, after] += 1
    for how, least in (("plain", 0.99), ("disguised", 0.95)):
        assert found[how, True] >= least * (found[how, True] + found[how, False]), how
    worst = min((by_kind[k, d, True] / 25, k, d) for k, d, _ in by_kind)
    assert worst[0] >= 0.8, worst


@pytest.mark.parametrize("held", [False, True], ids=["seen", "held out"])
def test_fewer_than_one_clean_line_in_200_is_changed(scrub: Scrubber, held: bool) -> None:
    changed = [line for line in clean(4_000, seed=21, held=held) if scrub.text(line) != line]
    assert len(changed) < 0.005 * 4_000, changed[:5]


def test_scrubbing_twice_changes_nothing(scrub: Scrubber) -> None:
    for case in planted(6, seed=22, held=False):
        once = scrub.text(case.text)
        assert scrub.text(once) == once, case


def test_real_log_lines_lose_their_addresses_and_nothing_else(scrub: Scrubber, conformance: Path) -> None:
    import re

    lines = (conformance / "logs/OpenStack/OpenStack_2k.log").read_text().splitlines()[::4]
    lines += (conformance / "logs/Apache/Apache_2k.log").read_text().splitlines()[::4]
    address = re.compile(r"(?<![\w.])(?!127\.|0\.0\.0\.0)(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
    wrong = [line for line in lines if re.sub("ip:[0-9a-f]{16}", "#", scrub.text(line)) != address.sub("#", line)]
    assert len(wrong) < 0.005 * len(lines), wrong[:3]


def spans(case: dict[str, Any]) -> list[list[int]]:
    args = case["args"]
    return args.get("expected_positions") or args.get("expected_res") or []


def test_presidios_own_cases(conformance: Path) -> None:
    own = Scrubber(Policy(keep_networks=()), b"k" * 32)
    cases = json.loads((conformance / "pii/presidio/recognizer_cases.json").read_text())
    for recognizer, (rule, least) in PRESIDIO.items():
        wanted, missed = 0, []
        for case in (c for c in cases if c["recognizer"] == recognizer):
            text = case["args"].get("text") or case["args"].get("iban") or ""
            found = own.find(text, own.gate.open(text), own.policy.actions, 0, frozenset())
            for start, end in spans(case):
                wanted += 1
                if not any(f.start < end and f.end > start for f in found):
                    missed.append((text, text[start:end]))
        assert wanted - len(missed) >= least * wanted, (rule, missed)


def test_gitleaks_secrets_are_gone(scrub: Scrubber, conformance: Path) -> None:
    cases = json.loads((conformance / "pii/gitleaks_cases.json").read_text())
    secrets = [c["text"] for c in cases if c["label"] == "secret"]
    missed = [text for text in secrets if scrub.text(text) == text]
    assert len(missed) <= 0.03 * len(secrets), missed
