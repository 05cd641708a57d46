"""Burn alerts of SLOs: pairs of windows from the data file, the rules made of them, and what they are good for.

`burn.py` scales the pairs of `burn_windows.yaml` (which cites the book) to an SLO's window, `burn_rules.py` says them
as alerting rules, `in_promql.py` says any SLI in PromQL. `lint.py` judges each condition at the traffic a service
really has. Nothing here evaluates or sends: the alert room does.
"""
