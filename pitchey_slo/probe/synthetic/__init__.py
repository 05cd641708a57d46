"""Synthetic tests: what a user does, done by a machine at intervals, from several places.

A definition (config/synthetics/*.yaml, `definition.py`) is one request (`http`), a journey of steps that hand values on
(`journey`), or a browser that is led by hand (`browser`). `run` makes attempts until one passes and answers with
`Result`s: the verdict, which counts, and the attempts and steps that led to it. The time of each request is measured in
phases on a connection of its own; why something failed is one word of `names.FAILURES`, and `probe_error`, which says
nothing of the target, is our own fault. Slow is degraded, not failed.

Requests reach the internet only, unless a definition or a location allows more (`pitchey_slo.guard`); secrets are
named, never written; what a hostile server sends costs at most the memory and the time that were given. Nothing here
stores or alerts: the scheduler decides when, the agent where, the quorum what several places mean together.
"""

from __future__ import annotations

from pitchey_slo.guard import Guard
from pitchey_slo.probe.synthetic.definition import Definition
from pitchey_slo.probe.synthetic.reader import read, read_file
from pitchey_slo.probe.synthetic.run import run
from pitchey_slo.probe.synthetic.secrets import Secrets

__all__ = ["Definition", "Guard", "Secrets", "read", "read_file", "run"]
