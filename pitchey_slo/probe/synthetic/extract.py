"""What is taken out of an answer: by JSONPath (RFC 9535), header, cookie or regular expression."""

from __future__ import annotations

import functools
import json
import re
from typing import TYPE_CHECKING, Any, Final

from pitchey_slo.probe.synthetic import pattern
from pitchey_slo.probe.synthetic.phases import Fault

if TYPE_CHECKING:
    from jsonpath import CompoundJSONPath, JSONPath

    from pitchey_slo.probe.synthetic.cookies import Cookies
    from pitchey_slo.probe.synthetic.definition import Extract
    from pitchey_slo.probe.synthetic.http import Answer

#: Functions of JSONPath that run a regular expression of Python's over what a target says.
_SLOW: Final = re.compile(r"\b(match|search)\s*\(")


def path_problem(path: str) -> str | None:
    """What is wrong with a JSONPath; None when it works."""
    from jsonpath import JSONPathError

    if _SLOW.search(path):
        return "match() and search() may take for ever on a hostile answer; use matches: beside the path"
    try:
        compiled(path)
    except JSONPathError as error:
        return f"no JSONPath (RFC 9535): {str(error).splitlines()[0]}"
    return None


@functools.lru_cache(maxsize=1_024)
def compiled(path: str) -> JSONPath | CompoundJSONPath:
    import jsonpath

    return jsonpath.compile(path, strict=True)


def document(answer: Answer) -> Any:
    """The JSON of an answer. Raises Fault of class body."""
    if not answer.whole:
        raise Fault("body", f"the body is longer than is kept or breaks off, after {len(answer.body)} bytes of JSON",
                    phase="transfer")  # fmt: skip
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        kind = answer.header("content-type") or "no content type"
        raise Fault("body", f"the body is not JSON ({len(answer.body)} bytes, {kind})", phase="transfer") from None


def at(path: str, value: Any) -> list[Any]:
    """All values at a JSONPath, in their order. Raises Fault for JSON that is nested too deep to walk."""
    from jsonpath import JSONPathError

    try:
        return list(compiled(path).findall(value))
    except (JSONPathError, RecursionError) as error:
        raise Fault("body", f"the JSON cannot be walked: {type(error).__name__}", phase="transfer") from None


def take(extract: Extract, answer: Answer, cookies: Cookies) -> Any:
    """The value that `extract` means; of several at a JSONPath the first. Raises Fault when there is none."""
    found: Any = None
    if extract.source == "json":
        found = next(iter(at(extract.path, document(answer))), None)
    elif extract.source == "header":
        found = answer.header(extract.path)
    elif extract.source == "cookie":
        found = cookies.value(extract.path)
    else:
        found = pattern.taken(extract.path, answer.text)
    if found is None:
        phase = "transfer" if extract.source in ("json", "regex") else "first_byte"
        what = f"nothing at {extract.source} {extract.path} to keep as {extract.name}"
        raise Fault("assertion", what, phase=phase, status=answer.status, cert_days=answer.cert_days)
    return found
