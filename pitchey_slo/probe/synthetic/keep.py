"""What is kept of a browser that failed: a screenshot and its requests (HAR), without secrets, for some days.

Files lie in a folder per run, PITCHEY_HOME/probes/RUN. Values of secrets, cookies and credentials are taken out of the
HAR, and so is personal data; bodies are not recorded. A screenshot is not made while a secret is to be read on the
page.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from pitchey_slo.probe.result import scrubbed
from pitchey_slo.probe.synthetic.secrets import Secrets

FOLDER: Final = "probes"
KEEP_DAYS: Final = 14
MOST_HAR: Final = 8 << 20
#: Headers whose value nobody needs and somebody could misuse.
HIDDEN: Final = frozenset({"authorization", "cookie", "set-cookie", "proxy-authorization", "x-api-key"})


def prune(folder: Path, now: datetime, days: int = KEEP_DAYS) -> int:
    """Remove the folders of runs that were made more than `days` ago; how many there were."""
    old = (now - timedelta(days=days)).timestamp()
    gone = 0
    for each in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(OSError):
            if each.is_dir() and each.stat().st_mtime < old:
                shutil.rmtree(each)
                gone += 1
    return gone


def clean_har(source: Path, target: Path, secrets: Secrets) -> bool:
    """Write the HAR without secrets; False when there is none that can be read or it is too long."""
    try:
        if source.stat().st_size > MOST_HAR:
            return False
        har = json.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    target.write_text(json.dumps(_cleaned(har, secrets), ensure_ascii=False, indent=1), encoding="utf-8")
    return True


def _cleaned(value: Any, secrets: Secrets, key: str = "") -> Any:
    if isinstance(value, dict):
        hide = key == "cookies" or str(value.get("name", "")).lower() in HIDDEN
        return {
            name: "[hidden]" if hide and name == "value" else _cleaned(each, secrets, name)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [_cleaned(each, secrets, key) for each in value]
    return scrubbed(secrets.hide(value)) if isinstance(value, str) else value
