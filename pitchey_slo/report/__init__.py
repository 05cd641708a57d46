"""Reports: notebooks run with checked parameters in a worker process, kept as notebook and as one page, and listed.

A *run* is a folder `<reports>/<notebook>/<run id>/` that changes no more once it ended, but for the receipt of who was
sent it: the notebook as it was run, the same as one HTML page that needs no network, its key numbers, the worker's log,
and `run.json`. The age of its data is judged before a kernel starts and said on its first page; the same notebook with
the same parameters of the same data is answered with the run that is there; what it wrote is searched for secrets
before it is kept. A run that failed keeps all of that and says which cell. Parameters are strict: what the notebook did
not declare, or declared with another type, is an error before a kernel starts. The worker gets no secret, a wall clock
and a limit of memory; when its time is up it is killed with everything it started.

What this room does not do: it does not compute (the notebooks call the workbench) and does not send; `schedule` says
when reports run by themselves, and hands what is to be sent to the outbox of alerting. A notebook is code: run those
you would run by hand.
"""

from pitchey_slo.report.catalogue import Notebook, find, notebooks
from pitchey_slo.report.parameters import Parameter, from_text
from pitchey_slo.report.record import Run, find_run, runs
from pitchey_slo.report.run import Asked, Outcome, Told, run_notebook
from pitchey_slo.report.worker import Limits

__all__ = [
    "Asked",
    "Limits",
    "Notebook",
    "Outcome",
    "Parameter",
    "Run",
    "Told",
    "find",
    "find_run",
    "from_text",
    "notebooks",
    "run_notebook",
    "runs",
]
