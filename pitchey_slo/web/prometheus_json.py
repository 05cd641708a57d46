"""Results as Prometheus' HTTP API writes them: values are texts, times are seconds with up to three decimals.

Floats are written as Go's `strconv` does it there (util/jsonutil/marshal.go): the shortest digits that read back to the
same bits, without an exponent between 1e-6 and 1e21.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from pitchey_slo.promql import Result

_WORDS = {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}


def float_text(value: float) -> str:
    """One float as Prometheus writes it.

    >>> [float_text(v) for v in (1.0, 0.1, 1e-7, 123456789012345680.0, 1e21, float("nan"), float("-inf"), -0.0)]
    ['1', '0.1', '1e-07', '123456789012345680', '1e+21', 'NaN', '-Inf', '-0']
    """
    text = repr(value)
    if text in _WORDS:
        return _WORDS[text]
    if "e" in text:
        if 1e-6 <= abs(value) < 1e21:
            text = format(Decimal(text), "f")
        else:
            digits, _, power = text.partition("e")
            return f"{digits.removesuffix('.0')}e{power[0]}{power[1:].zfill(2)}"
    return text.removesuffix(".0")


def float_texts(values: NDArray[np.float64]) -> list[str]:
    """Many at once: only what JSON writes otherwise is written one by one."""
    if not len(values):
        return []
    texts = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].decode().split(",")
    texts = [text[:-2] if text.endswith(".0") else text for text in texts]
    size = np.abs(values)
    for i in np.flatnonzero(~(size < 1e15) | ((size < 1e-4) & (size > 0))).tolist():
        texts[i] = float_text(float(values[i]))
    return texts


def time_text(ms: int) -> str:
    """
    >>> time_text(1435781451781), time_text(1435781451000), time_text(-1500)
    ('1435781451.781', '1435781451', '-1.500')
    """
    seconds, millis = divmod(abs(ms), 1000)
    return f"{'-' if ms < 0 else ''}{seconds}{f'.{millis:03d}' if millis else ''}"


def texts(value: Any) -> str:
    """Any JSON; a lone surrogate in a label is replaced, since it is no UTF-8."""
    try:
        return orjson.dumps(value).decode()
    except (TypeError, orjson.JSONEncodeError):
        return json.dumps(value, default=str)


def result_text(result: Result, limit: int = 0) -> str:
    """`"resultType": ..., "result": ...` inside braces; at most `limit` series when it is positive."""
    if result.kind in ("scalar", "string"):
        text = texts(result.text) if result.kind == "string" else f'"{float_text(float(result.values[0, 0]))}"'
        inside = f"[{time_text(int(result.times[0]))},{text}]"
    else:
        rows = range(min(len(result), limit) if limit > 0 else len(result))
        inside = f"[{','.join(_matrix(result, rows) if result.kind == 'matrix' else _vector(result, rows))}]"
    return f'{{"resultType":"{result.kind}","result":{inside}}}'


def _vector(result: Result, rows: Sequence[int]) -> list[str]:
    head = f',"value":[{time_text(int(result.times[0]))},"'
    values = float_texts(result.values[: len(rows), 0])
    return [f'{{"metric":{texts(dict(result.labels[i]))}{head}{values[i]}"]}}' for i in rows]


def _matrix(result: Result, rows: Sequence[int]) -> list[str]:
    starts = [f'"],[{time_text(ms)},"' for ms in result.times.tolist()]
    return [
        f'{{"metric":{texts(dict(result.labels[i]))},"values":{_points(starts, result.values[i], result.present[i])}}}'
        for i in rows
    ]


def _points(starts: list[str], values: NDArray[np.float64], present: NDArray[np.bool_]) -> str:
    if not present.all():
        starts = [starts[i] for i in np.flatnonzero(present).tolist()]
        values = values[present]
    both = [""] * (2 * len(starts))
    both[::2], both[1::2] = starts, float_texts(values)
    return f'[{"".join(both)[3:]}"]]' if both else "[]"


def envelope(data: str, warnings: Sequence[str] = (), infos: Sequence[str] = ()) -> bytes:
    """A success. `data` is JSON already."""
    notes = f',"warnings":{texts(list(warnings))}' if warnings else ""
    notes += f',"infos":{texts(list(infos))}' if infos else ""
    return f'{{"status":"success","data":{data}{notes}}}'.encode(errors="replace")


def failure(kind: str, message: str) -> bytes:
    return f'{{"status":"error","errorType":"{kind}","error":{texts(message)}}}'.encode(errors="replace")
