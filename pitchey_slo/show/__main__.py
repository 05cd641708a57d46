"""`python -m pitchey_slo.show`: the process of the dashboards; its orders are the first line of its standard input."""

from __future__ import annotations

import sys

from pitchey_slo.show import Orders, run

if __name__ == "__main__":
    run(Orders.read(sys.stdin.buffer.readline()))
