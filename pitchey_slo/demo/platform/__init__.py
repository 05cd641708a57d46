"""Pitchey as a real service, small enough to run beside a server: something for checks and journeys to look at.

HTTP/1.1 on a socket of its own (TLS with a given certificate), users, sessions, pitches, NDAs and investments in
PostgreSQL or SQLite, lists cached in Redis when there is one, and a WebSocket at `/ws` that repeats what it is told.
`Platform` runs all of it in a thread. Its `faults` break it on purpose: nobody listens, answers are slow, wrong or 5xx,
the certificate is another one, the database is dead, the cache hangs; a control address on loopback, never the public
one, does the same by HTTP. What it answered goes to the workbench as rows of `requests`.

It is a demonstration: passwords are hashed and sessions end, but there is no rate limit, no mail and no money. It
writes no business events, since what machines do is no business. A name that cannot be resolved is a fault of the
resolver, so it is injected there: into the guard of the probe.
"""

from pitchey_slo.demo.platform.faults import FAULTS, Faults
from pitchey_slo.demo.platform.service import Platform

__all__ = ["FAULTS", "Faults", "Platform"]
