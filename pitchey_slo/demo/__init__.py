"""A simulated Pitchey: thirty days of requests, business events, log lines, results of probes, deployments and labelled
incidents, made from a seed.

`simulate` gives tables that conform to `pitchey_slo.tables`, so the demo enters by the same door as real data.
Routes, places, rhythm, latencies and people are made up but plausible; the incidents in the register are the very
ones that shaped the rows, with exact times, so detectors and alerts can be judged by them. `live` gives the same kind
of traffic as it happens, `upcoming` what goes wrong in it, and `Collector` is where the demo's alerts arrive.

It does not model queues, retries or load: a slow database slows requests because the plan says so. Amounts of money,
names and hashes mean nothing. One static route is sampled: each of its rows stands for ten requests.
"""

from pitchey_slo.demo.collector import Collector
from pitchey_slo.demo.gauges import gauges
from pitchey_slo.demo.live import live
from pitchey_slo.demo.live_gauges import LiveGauges
from pitchey_slo.demo.plan import Plan
from pitchey_slo.demo.plan import make as make_plan
from pitchey_slo.demo.probe_gauges import probe_gauges
from pitchey_slo.demo.simulate import simulate
from pitchey_slo.demo.trouble import upcoming

__all__ = ["Collector", "LiveGauges", "Plan", "gauges", "live", "make_plan", "probe_gauges", "simulate", "upcoming"]
