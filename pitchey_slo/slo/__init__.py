"""Service level objectives: OpenSLO files in, judged budgets out."""

from pitchey_slo.slo.findings import SloReport

__all__ = ["SloReport"]
