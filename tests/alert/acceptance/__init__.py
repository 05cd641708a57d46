"""Alerting from outside, in the shape of Alertmanager's own acceptance tests: a real server process, real collectors,
time boxes, and the number of messages must match."""
