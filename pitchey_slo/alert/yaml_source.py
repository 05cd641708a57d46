"""Where `pitchey_slo.yaml_source` lay before probes read YAML too."""

from pitchey_slo.yaml_source import Source, Value, compose, join, raise_all, shown

__all__ = ["Source", "Value", "compose", "join", "raise_all", "shown"]
