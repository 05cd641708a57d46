"""A pull in a process of its own, to be killed: `killed.py URL HOME NOW`. Says `pulling` when it begins."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from pydantic import SecretStr

from pitchey_slo.collect.analytics_engine import Puller, SqlApi, load
from pitchey_slo.settings import Settings
from pitchey_slo.store import Store
from pitchey_slo.testing import FixedClock
from pitchey_slo.web.analytics_engine_keep import StoreKeep

URL, HOME, NOW, ACCOUNT, TOKEN, FILE = sys.argv[1:]

clock = FixedClock(datetime.fromisoformat(NOW))
config = replace(load(Path(FILE)), first=3_600, window=60)
settings = Settings.load(env_file=None, home=Path(HOME))
with Store.open(settings, clock=clock, background=False) as store:
    api = SqlApi(URL, ACCOUNT, SecretStr(TOKEN), limit=1 << 20, clock=clock)
    sys.stdout.write("pulling\n")
    sys.stdout.flush()
    Puller(config, api, StoreKeep(store, clock), clock=clock).pull()
