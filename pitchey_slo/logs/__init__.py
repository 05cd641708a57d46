"""Logs of services: what a line says, whoever writes it.

`fingerprint` gives lines of one saying one name, from the line alone: templates without numbers, ids and paths, stack
traces by their frames. Light to import, since it runs inside other people's services; `fill` works on whole columns.

This room stores nothing and judges nothing: patterns over time are `analyse.logs`, lines of files come in by `collect`.
"""

from pitchey_slo.logs.fingerprint import fill, fingerprint, template

__all__ = ["fill", "fingerprint", "template"]
