"""The grammar of IRIs waits until it is asked, and then answers as ever. In processes of their own: imports last."""

from __future__ import annotations

import subprocess
import sys

import pytest


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def test_a_notebook_is_checked_without_the_grammar() -> None:
    look = "'rfc3987_syntax.syntax_helpers' in sys.modules, 'lark' in sys.modules"
    code = f"import sys; from pitchey_slo import later; later.iri_grammar(); import nbformat; print({look})"
    assert python(code) == "False False"


@pytest.mark.parametrize("first", ["", "from pitchey_slo import later; later.iri_grammar(); later.iri_grammar(); "])
def test_iris_are_checked_as_without_it(first: str) -> None:
    code = (
        f"{first}from jsonschema import Draft202012Validator as D; check = D.FORMAT_CHECKER.conforms; "
        "print([check(x, 'iri') for x in ('https://café.example/', 'no iri')], check('#ä', 'iri-reference')); "
        "import rfc3987_syntax, rfc3987_syntax.utils; print(callable(rfc3987_syntax.parse))"
    )
    assert python(code).splitlines() == ["[True, False] True", "True"]
