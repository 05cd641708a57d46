"""SLOs for other programs: a Prometheus rule file named as sloth names its series, and a Grafana dashboard."""
