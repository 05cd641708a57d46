"""The store, what comes into it, and who may send."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from pitchey_slo.alert.words import length, moment
from pitchey_slo.doctor.model import Finding, Patient, Unanswered, Verdict
from pitchey_slo.errors import StoreDamaged
from pitchey_slo.names import LOCK_FILE
from pitchey_slo.store.home import Home
from pitchey_slo.store.peek import peek
from pitchey_slo.store.reader import LakeReader

MiB: Final = 1 << 20
#: Lag of the lake and age of the newest row, in seconds, beyond which people see old numbers.
LAG: Final = 120.0
OLD: Final = 600.0
#: Tables that senders fill all the time, and what brings rows into each.
STREAMS: Final[dict[str, str]] = {
    "requests": "POST /api/monitoring/events, pitchey-slo ingest, OTLP, or pull analytics-engine",
    "business_events": "POST /api/monitoring/events/business_events",
    "logs": "POST /v1/logs or /api/monitoring/events/logs",
    "probes": "the server's own health checks and synthetic tests",
    "samples": "config/scrape.yml, remote write, POST /api/monitoring/metrics",
}


def store(patient: Patient) -> Iterator[Finding]:
    """Hot file and lake."""
    home = Home(patient.settings.home)
    if not home.folder.exists():
        text = f"{home.folder} is not there yet; the first rows make it."
        yield Finding("store", "not applicable", text, "pitchey-slo ingest FILE, or pitchey-slo serve")
        return
    if patient.server is not None:
        yield from _served(patient)
    else:
        yield from _alone(home)
    yield from _lake(patient)


def _served(patient: Patient) -> Iterator[Finding]:
    try:
        ready = patient.ask("/api/health/ready")
    except Unanswered as error:
        yield Finding("store", "failure", f"The server does not take rows: {error}", "see `server` above")
        return
    lag = ready["lake_lag_seconds"] or 0.0
    text = f"Open in the server; commit {ready['commit_seq']:,} stored, {ready['flushed_seq']:,} in the lake."
    yield Finding("store", "ok", text)
    if lag > LAG:
        text = f"The lake lags {length(lag)}: notebooks, reports and SQL see old data."
        yield Finding("store", "warning", text, f"is {patient.settings.lake_uri} writable? The server's log says why")
    yield from _gaps(ready["gaps"])


def _alone(home: Home) -> Iterator[Finding]:
    owner = lock_owner(home.folder / LOCK_FILE)
    if owner is not None:
        text = f"Process {owner} has the store open and is no server of this home (an `ingest` or `repair` that runs?)."
        yield Finding("store", "warning", text, f"ps -fp {owner}    # wait for it; only it can write")
        return
    if not home.hot.exists():
        yield Finding("store", "not applicable", f"{home.hot} is not there yet; the first rows make it.")
        return
    if not os.access(home.hot, os.R_OK):
        text = f"{home.hot} may not be read by this user."
        yield Finding("store", "failure", text, f"ls -l {home.hot}; run as its owner, or chown it")
        return
    try:
        seen = peek(home.folder)
    except StoreDamaged as error:
        yield Finding(
            "store", "failure", error.message, "pitchey-slo repair    # works on a copy, says what is missing"
        )
        return
    if seen.schema > seen.knows:
        text = f"It was written by a newer version (schema {seen.schema}, this one knows {seen.knows})."
        yield Finding("store", "failure", text, "install that version again; an older one cannot write here")
    elif seen.schema < seen.knows:
        text = f"Schema {seen.schema}; the next start brings it to {seen.knows}."
        yield Finding("store", "ok", text, "pitchey-slo backup FOLDER before the first start of a new version")
    else:
        yield Finding("store", "ok", f"It opens: schema {seen.schema}, commit {seen.commit_seq:,}.")
    if seen.wal_bytes:
        text = f"Its last stop was unclean: {seen.wal_bytes / MiB:,.1f} MiB of log are replayed at the next start."
        yield Finding("store", "ok", text)
    if seen.acknowledged > seen.commit_seq:
        yield from _gaps([(seen.commit_seq + 1, seen.acknowledged)])
    yield from _gaps(seen.gaps)


def _gaps(gaps: object) -> Iterator[Finding]:
    for first, last in gaps:  # type: ignore[attr-defined]
        text = f"Commits {first} to {last} were acknowledged and are missing."
        cure = "stop the server; pitchey-slo repair says which rows; pitchey-slo restore BACKUP brings older ones back"
        yield Finding("store", "failure", text, cure)


def _lake(patient: Patient) -> Iterator[Finding]:
    uri = patient.settings.lake_uri
    if not uri.startswith("s3://") and not Path(uri).is_dir():
        yield Finding("store", "not applicable", f"There is no lake at {uri} yet; the first flush makes it.")
        return
    try:
        reader = _reader(patient)
        # one row of each table: that a file is listed does not say that it can be read
        rows = {name: reader.rows(name) for name in STREAMS}
        for name, count in rows.items():
            if count:
                reader.query(f"SELECT * FROM {name} LIMIT 1")
    except Exception as error:  # noqa: BLE001  # whatever DuckDB and Delta Lake say of a broken file
        cure = "pitchey-slo restore BACKUP; a bucket: are PITCHEY_S3_* in .env right?"
        yield Finding("store", "failure", f"The lake {uri} cannot be read: {str(error).splitlines()[0]}", cure)
        return
    told = ", ".join(f"{name} {count:,}" for name, count in rows.items() if count) or "no rows yet"
    yield Finding("store", "ok", f"The lake {uri} can be read: {told}.")


def sources(patient: Patient) -> Iterator[Finding]:
    """How fresh each table is, and each sender of the last week; "No metrics data" begins here."""
    now = patient.clock()
    if not patient.settings.lake_uri.startswith("s3://") and not Path(patient.settings.lake_uri).is_dir():
        cure = "pitchey-slo ingest access.log, or `pitchey-slo demo` to look around"
        yield Finding("sources", "warning", "Nothing was ever stored here.", cure)
        return
    reader = _reader(patient)
    for table, from_where in STREAMS.items():
        newest = reader.watermark(table)
        if newest is None:
            verdict: Verdict = "warning" if table == "requests" else "not applicable"
            yield Finding("sources", verdict, f"{table}: nothing ever came.", f"what brings it: {from_where}")
            continue
        yield _fresh(table, newest, now, from_where, live=patient.server is not None)
    yield from _senders(reader, now)
    if patient.server is not None:
        yield from _targets(patient)


def _fresh(table: str, newest: datetime, now: datetime, from_where: str, *, live: bool) -> Finding:
    age = (now - newest).total_seconds()
    if age < -OLD:
        text = f"{table}: the newest row is {length(-age)} in the future."
        return Finding("sources", "warning", text, "a sender's clock is wrong: see `clock`, and the senders below")
    if age <= OLD:
        return Finding("sources", "ok", f"{table}: the newest row is {length(max(age, 0.0))} old.")
    text = f"{table}: the newest row is {length(age)} old ({moment(newest)})."
    if not live:
        return Finding("sources", "warning", text, "nothing comes in while no server runs: pitchey-slo serve")
    cure = f"what brings it: {from_where}. Does the sender run, is its token good (`pitchey-slo token list`)?"
    return Finding("sources", "warning", text, cure)


def _senders(reader: LakeReader, now: datetime) -> Iterator[Finding]:
    for table in ("requests", "business_events", "logs"):
        rows = reader.source(table, now - timedelta(days=7), now + timedelta(days=1))
        found = reader.query(
            f"SELECT coalesce(source, 'nobody') AS source, count(*) AS n, max(ts) AS newest FROM {rows} GROUP BY 1 "
            "ORDER BY n DESC LIMIT 20"
        ).to_pylist()
        for row in found:
            age = length(max((now - row["newest"]).total_seconds(), 0.0))
            yield Finding("sources", "ok", f"{table} of {row['source']}: {row['n']:,} in a week, the newest {age} ago.")


def _targets(patient: Patient) -> Iterator[Finding]:
    for each in patient.ask("/api/v1/targets")["data"]["activeTargets"]:
        if each["health"] == "down":
            text = f"{each['scrapePool']} {each['scrapeUrl']} cannot be scraped: {each['lastError']}"
            yield Finding("sources", "failure", text, f"curl {each['scrapeUrl']}; its job stands in config/scrape.yml")
        elif each["health"] == "up":
            yield Finding("sources", "ok", f"{each['scrapePool']} {each['scrapeUrl']} is scraped.")


def tokens(patient: Patient) -> Iterator[Finding]:
    """Whether somebody may send, and whose token ends soon."""
    if patient.server is None:
        yield Finding("tokens", "not applicable", "The server that keeps them does not run.")
        return
    now = patient.clock()
    senders = 0
    for token in patient.ask("/api/monitoring/tokens")["tokens"]:
        ends = token.get("expires_at")
        left = (datetime.fromisoformat(ends) - now).total_seconds() if ends else None
        if token.get("revoked_at") or (left is not None and left <= 0):
            continue
        senders += any(scope in ("ingest", "admin") for scope in token["scopes"])
        if left is not None and left < 14 * 86_400:
            text = f"The token {token['name'] or token['id']} ends in {length(left)}."
            cure = "pitchey-slo token create --scope ... --name ..., give it to its user, then revoke the old one"
            yield Finding("tokens", "warning", text, cure)
    if senders:
        yield Finding("tokens", "ok", f"{senders} good tokens may send.")
    else:
        text = "No token may send: only this machine's own commands can bring rows."
        yield Finding("tokens", "warning", text, "pitchey-slo token create --scope ingest --name worker")


def lock_owner(file: Path) -> int | None:
    """The process that holds the lock of a home, as the kernel lists it; asking by taking the lock would lock out a
    server that starts just now. None where nobody holds it or no /proc tells."""
    try:
        there = file.stat()
        listed = Path("/proc/locks").read_text()
    except OSError:
        return None
    for line in listed.splitlines():
        parts = line.split()
        if len(parts) >= 6 and parts[1] == "FLOCK" and parts[5].rsplit(":", 1)[-1] == str(there.st_ino):
            major, minor = (int(part, 16) for part in parts[5].split(":")[:2])
            if (major, minor) == (os.major(there.st_dev), os.minor(there.st_dev)):
                return int(parts[4])
    return None


def _reader(patient: Patient) -> LakeReader:
    settings = patient.settings
    return LakeReader(settings.lake_uri, settings.storage_options, settings.memory_limit)
