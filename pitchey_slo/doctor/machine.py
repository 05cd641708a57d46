"""The machine: disk, versions, who may read what, and whether a notebook's kernel starts."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final

from pitchey_slo.doctor.model import Finding, Patient, Unanswered
from pitchey_slo.names import SERVER_FILE
from pitchey_slo.report.catalogue import notebooks as shipped_notebooks
from pitchey_slo.settings import project_folder
from pitchey_slo.store.home import Home
from pitchey_slo.store.peek import newest_schema

GiB: Final = 1 << 30
#: Seconds a kernel may take to start.
KERNEL: Final = 20.0
_STARTS: Final = """
import sys
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(kernel_name="python3", startup_timeout=float(sys.argv[1]))
try:
    reply = client.execute_interactive("import pitchey_slo", timeout=float(sys.argv[1]), output_hook=lambda _: None)
    content = reply["content"]
    print("good" if content["status"] == "ok" else f"{content['ename']}: {content['evalue']}")
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
"""


def disk(patient: Patient) -> Iterator[Finding]:
    """Free space against the floor, how fast the lake grows, and whether it may be written to."""
    home = Home(patient.settings.home)
    where = next(p for p in (home.folder, *home.folder.absolute().parents) if p.exists())
    if os.statvfs(where).f_flag & os.ST_RDONLY or not os.access(where, os.W_OK):
        text = f"{where} cannot be written to: no row is taken, notebooks and SQL go on."
        cure = "is the file system mounted read-only after an error (`dmesg`, `mount`)? else chown it to this user"
        yield Finding("disk", "failure", text, cure)
    space = Home(where)
    free, floor = space.free_bytes(), space.floor_bytes()
    told = f"{free / GiB:,.1f} GiB are free at {where}; below {floor / GiB:,.1f} GiB new rows are refused"
    daily = growth(Path(patient.settings.lake_uri), patient.clock())
    left = (free - floor) / daily if daily else None
    cure = "free some space, or keep less: PITCHEY_RETENTION, then pitchey-slo retention"
    if free < floor:
        yield Finding("disk", "failure", f"{told}: they are refused now.", cure)
    elif free < 2 * floor or (left is not None and left < 14):
        yield Finding("disk", "warning", f"{told}{_days(left, daily)}.", cure)
    else:
        yield Finding("disk", "ok", f"{told}{_days(left, daily)}.")


def growth(lake: Path, now: datetime) -> float | None:
    """Bytes a day that the lake grew by in the week before today, by the days its folders are named for; None without
    such folders."""
    days = {f"{now.date() - timedelta(days=back):%Y-%m-%d}" for back in range(1, 8)}
    total, seen = 0, set()
    for folder in lake.glob("*/day=*") if lake.is_dir() else ():
        day = folder.name.removeprefix("day=")
        if day in days:
            seen.add(day)
            total += sum(p.stat().st_size for p in folder.glob("*.parquet"))
    return total / len(seen) if seen else None


def _days(left: float | None, daily: float | None) -> str:
    if left is None or not daily:
        return ""
    room = f"{left:,.0f} days" if left < 3_650 else "years"
    return f"; the lake grows by {daily / (1 << 20):,.1f} MiB a day, which leaves {room}"


def versions(patient: Patient) -> Iterator[Finding]:
    """Python, the database, this package, and what the server runs."""
    python = sys.version.split()[0]
    own = _version("pitchey-slo") or "0 (not installed)"
    yield Finding("versions", "ok", f"pitchey-slo {own}, schema {newest_schema()}, Python {python}.")
    wanted = next((m[1] for r in _requires() if (m := re.match(r"duckdb==([\w.]+)", r))), None)
    found = _version("duckdb")
    if wanted and found != wanted:
        text = f"DuckDB {found} is installed, {wanted} is what this version is tested with and writes."
        yield Finding("versions", "failure", text, f"pip install duckdb=={wanted}")
    elif found:
        yield Finding("versions", "ok", f"DuckDB {found}, as pinned.")
    if patient.server is not None:
        try:
            told = patient.ask("/api/v1/status/buildinfo")["data"]["revision"]
        except Unanswered:
            return
        if told != f"pitchey-slo {_version('pitchey-slo') or '0'}":
            text = f"The server runs {told}, this command is {own}."
            yield Finding("versions", "warning", text, "start the server again with the new version")


def permissions(patient: Patient) -> Iterator[Finding]:
    """Whether others on this machine may read data or secrets."""
    home, env = patient.settings.home, project_folder(Path.cwd()) / ".env"
    good = True
    for path, kept, verdict in (
        (home / SERVER_FILE, 0o077, "failure"),
        (env, 0o077, "warning"),
        (home, 0o007, "warning"),
    ):
        try:
            found = path.stat()
        except FileNotFoundError:
            continue
        except PermissionError:
            good = False
            yield Finding("permissions", "failure", f"{path} may not be looked at by this user.", f"ls -ld {path}")
            continue
        mode = stat.S_IMODE(found.st_mode)
        if mode & kept:
            good = False
            what = "whoever has its token may do everything" if path.name == SERVER_FILE else (
                "it holds secrets" if path == env else "others on this machine may read every row")  # fmt: skip
            wish = "700" if path == home else "600"
            text = f"{path} has mode {mode:o}: {what}."
            yield Finding("permissions", "failure" if verdict == "failure" else "warning", text, f"chmod {wish} {path}")
        if found.st_uid not in (os.getuid(), 0) and os.getuid() != 0:
            good = False
            text = f"{path} belongs to user {found.st_uid}, this is user {os.getuid()}."
            yield Finding("permissions", "warning", text, f"run this as its owner: sudo -u '#{found.st_uid}' ...")
    if good:
        yield Finding("permissions", "ok", "Only their owner may read the store and the secrets.")


def notebooks(_: Patient) -> Iterator[Finding]:
    """Whether a kernel starts and knows this package: what every report needs."""
    yield Finding("notebooks", "ok", f"{len(shipped_notebooks())} notebooks can be run as reports.")
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pitchey-slo-doctor-") as folder:
        env = {
            k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "VIRTUAL_ENV", "PYTHONPATH", "TMPDIR")
        }
        env |= {"JUPYTER_RUNTIME_DIR": folder, "IPYTHONDIR": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        words = [sys.executable, "-c", _STARTS, str(KERNEL - 2)]
        try:
            done = subprocess.run(
                words, capture_output=True, text=True, timeout=KERNEL, env=env, cwd=folder, check=False
            )
        except subprocess.TimeoutExpired:
            text = f"A notebook's kernel did not start within {KERNEL:g} s: no report can run."
            yield Finding("notebooks", "failure", text, "is the machine busy (`uptime`)? jupyter kernelspec list")
            return
    if done.stdout.strip() == "good":
        yield Finding("notebooks", "ok", f"A kernel starts, in {time.monotonic() - begun:.1f} s.")
        return
    why = (done.stdout.strip() or (done.stderr.strip().splitlines() or ["no reason given"])[-1])[:300]
    cure = f"{sys.executable} -m ipykernel install --sys-prefix --name python3; jupyter kernelspec list"
    yield Finding("notebooks", "failure", f"A notebook's kernel does not start, so no report can run: {why}", cure)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:  # run from a folder that was never installed
        return None


def _requires() -> list[str]:
    try:
        return requires("pitchey-slo") or []
    except PackageNotFoundError:
        return []
