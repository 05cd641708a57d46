"""What is slow to import and hardly ever used waits until somebody uses it.

`jsonschema`, with which nbformat checks a notebook, imports `rfc3987_syntax` where that is installed (JupyterLab brings
it), and that compiles a grammar of IRIs at once: 1.4 seconds of processor time before a report, its page or the first
chart of a notebook, though no schema of a notebook has an IRI in it."""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec, module_from_spec
from typing import Any

_GRAMMAR = "rfc3987_syntax"


def iri_grammar() -> None:
    """Let `rfc3987_syntax` be imported when an IRI is checked for the first time; nothing is lost, it only waits.

    Call it before the first import of nbformat. Without effect where the package is imported already, or absent.
    """
    if _GRAMMAR in sys.modules or (spec := find_spec(_GRAMMAR)) is None:
        return
    waiting: Any = module_from_spec(spec)

    def real() -> Any:
        if sys.modules.get(_GRAMMAR) is waiting:
            del sys.modules[_GRAMMAR]
        return importlib.import_module(_GRAMMAR)

    waiting.is_valid_syntax = lambda *args, **kwargs: real().is_valid_syntax(*args, **kwargs)
    waiting.__getattr__ = lambda name: getattr(real(), name)
    sys.modules[_GRAMMAR] = waiting
