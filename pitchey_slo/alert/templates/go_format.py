"""Values and times written as Go writes them: `%v` and its relatives, and layouts such as 2006-01-02 15:04:05."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Final

#: Widest padding and most decimals that a format may ask for.
WIDEST: Final = 1_000

_VERB: Final = re.compile(r"%(?P<flags>[-+# 0]*)(?P<width>\d+|\*)?(?:\.(?P<precision>\d*|\*))?(?P<verb>.|$)", re.DOTALL)
_DATE: Final = re.compile(
    r"2006|January|Jan|Monday|Mon|MST|Z07:00|Z0700|-07:00|-0700|-07|01|02|03|04|05|06|15|_2|PM|pm|[.,](?:0+|9+)(?!\d)|[12345]"
)
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def go_text(value: Any) -> str:
    """`%v`.

    >>> go_text({"b": "2", "a": "1"}), go_text([1, 2.5]), go_text(1234567.0), go_text(None), go_text(True)
    ('map[a:1 b:2]', '[1 2.5]', '1.234567e+06', '<nil>', 'true')
    """
    if isinstance(value, str):
        return value
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return go_float(value)
    if isinstance(value, datetime):
        return go_time(value)
    if isinstance(value, timedelta):
        return go_duration(value)
    if isinstance(value, Mapping):
        return f"map[{' '.join(f'{go_text(k)}:{go_text(value[k])}' for k in sorted(value))}]"
    if isinstance(value, Sequence):
        return f"[{' '.join(map(go_text, value))}]"
    values = getattr(value, "values", None)
    return f"{{{' '.join(map(go_text, values()))}}}" if callable(values) else str(value)


def go_float(value: float) -> str:
    """The shortest digits that read back; with an exponent below 1e-4 and from 1e6 on, as `%v` has it.

    >>> [go_float(v) for v in (0.5, 100000.0, 1000000.0, 0.0001, 0.00001, 3.0, math.inf, math.nan, -0.0)]
    ['0.5', '100000', '1e+06', '0.0001', '1e-05', '3', '+Inf', 'NaN', '-0']
    """
    special = _special(value)
    if special:
        return special
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    if value == 0:
        return "-0" if sign else "0"
    assert isinstance(exponent, int)
    power = len(digits) + exponent - 1
    if -4 <= power < 6:
        return format(Decimal(repr(value)).normalize(), "f")
    return _exponent(sign, digits, power)


def go_exponential(value: float) -> str:
    """`%e` with the shortest digits that read back (strconv.FormatFloat(v, 'e', -1, 64)).

    >>> go_exponential(0.0712), go_exponential(1.0), go_exponential(-math.inf), go_exponential(0.0)
    ('7.12e-02', '1e+00', '-Inf', '0e+00')
    """
    special = _special(value)
    if special or value == 0:
        return special or "0e+00"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)
    return _exponent(sign, digits, len(digits) + exponent - 1)


def go_general(value: float, digits: int) -> str:
    """`%.<digits>g`.

    >>> go_general(1234.5678, 4), go_general(0.00001234567, 4), go_general(12345.0, 4), go_general(0.0, 4)
    ('1235', '1.235e-05', '1.234e+04', '0')
    """
    return _special(value) or f"{value:.{min(digits, WIDEST)}g}"


def go_time(time: datetime) -> str:
    """A time as Go prints it: 2026-03-02 12:00:00 +0000 UTC."""
    fraction = f".{time.microsecond:06d}".rstrip("0") if time.microsecond else ""
    return time.strftime(f"%Y-%m-%d %H:%M:%S{fraction} ") + _offset(time, "") + " " + _zone(time)


def go_duration(length: timedelta) -> str:
    """
    >>> go_duration(timedelta(hours=1, seconds=5)), go_duration(timedelta(milliseconds=1500)), go_duration(timedelta())
    ('1h0m5s', '1.5s', '0s')
    """
    micros = length // timedelta(microseconds=1)
    sign, micros = "-" if micros < 0 else "", abs(micros)
    if micros < 1_000_000:
        if not micros:
            return "0s"
        return f"{sign}{micros / 1000:g}ms" if micros >= 1000 else f"{sign}{micros}µs"
    whole, rest = divmod(micros, 1_000_000)
    seconds = f"{whole % 60}" + (f".{rest:06d}".rstrip("0") if rest else "") + "s"
    minutes, hours = whole // 60 % 60, whole // 3600
    return sign + (f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else "") + seconds


def go_date(time: datetime, layout: str) -> str:
    """A time by a layout that shows how Monday, January 2nd 2006, 15:04:05 would be written.

    >>> go_date(datetime(2026, 3, 2, 9, 5, 7, tzinfo=UTC), "Mon Jan _2 15:04:05 MST 2006 (02/01/06 3:04PM)")
    'Mon Mar  2 09:05:07 UTC 2026 (02/03/26 9:05AM)'
    """
    return _DATE.sub(lambda match: _date_part(time, match[0]), layout)


def _date_part(time: datetime, part: str) -> str:
    hour = time.hour % 12 or 12
    plain = {
        "2006": f"{time.year:04d}", "06": f"{time.year % 100:02d}", "01": f"{time.month:02d}", "1": f"{time.month}",
        "January": _MONTHS[time.month - 1], "Jan": _MONTHS[time.month - 1][:3], "Monday": _DAYS[time.weekday()],
        "Mon": _DAYS[time.weekday()][:3], "02": f"{time.day:02d}", "_2": f"{time.day:2d}", "2": f"{time.day}",
        "15": f"{time.hour:02d}", "03": f"{hour:02d}", "3": f"{hour}", "04": f"{time.minute:02d}",
        "4": f"{time.minute}",
        "05": f"{time.second:02d}", "5": f"{time.second}", "PM": "AM" if time.hour < 12 else "PM",
        "pm": "am" if time.hour < 12 else "pm", "MST": _zone(time), "-0700": _offset(time, ""),
        "-07:00": _offset(time, ":"), "-07": _offset(time, "")[:3],
    }  # fmt: skip
    if part in plain:
        return plain[part]
    if part[0] == "Z":
        return "Z" if not time.utcoffset() else _offset(time, ":" if ":" in part else "")
    digits = f"{time.microsecond:06d}000"[: len(part) - 1]
    if part[1] == "9":
        digits = digits.rstrip("0")
    return part[0] + digits if digits else ""


def _offset(time: datetime, colon: str) -> str:
    minutes = int((time.utcoffset() or timedelta()).total_seconds() // 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{colon}{abs(minutes) % 60:02d}"


def _zone(time: datetime) -> str:
    return "UTC" if time.tzinfo is UTC or not time.tzname() else str(time.tzname())


def go_printf(format_: str, args: Sequence[Any]) -> str:
    """fmt.Sprintf for the verbs of values, numbers, texts and booleans; wrong ones are told as Go tells them.

    >>> go_printf("%.2f%% of %5d|%-4s|%q", [12.345, 7, "ab", "x"])
    '12.35% of     7|ab  |"x"'
    >>> go_printf("%d %s", [1.5, 2.5]), go_printf("%s", []), go_printf("a", [1])
    ('%!d(float64=1.5) %!s(float64=2.5)', '%!s(MISSING)', 'a%!(EXTRA int=1)')
    """
    rest = list(args)

    def one(match: re.Match[str]) -> str:
        flags, verb = match["flags"], match["verb"]
        width, precision = (_bound(match[name], rest) for name in ("width", "precision"))
        if verb == "%":
            return "%"
        if not verb:
            return "%!(NOVERB)"
        if not rest:
            return f"%!{verb}(MISSING)"
        return _padded(_verb(verb, rest.pop(0), flags, precision), flags, width, verb)

    text = _VERB.sub(one, format_)
    extra = ", ".join(f"{_kind(a)}={go_text(a)}" for a in rest)
    return f"{text}%!(EXTRA {extra})" if rest else text


def _bound(given: str | None, rest: list[Any]) -> int | None:
    if given == "*":
        taken = rest.pop(0) if rest else 0
        return min(abs(taken), WIDEST) if isinstance(taken, int) else 0
    return None if given is None else min(int(given or 0), WIDEST)


def _padded(text: str, flags: str, width: int | None, verb: str) -> str:
    if width is None or len(text) >= width:
        return text
    if "-" in flags:
        return text.ljust(width)
    if "0" in flags and verb in "deEfFgGxXob":
        sign = text[0] if text[0] in "+-" else ""
        return sign + text[len(sign) :].rjust(width - len(sign), "0")
    return text.rjust(width)


def _verb(verb: str, value: Any, flags: str, precision: int | None) -> str:
    if verb == "v":
        return _signed(go_text(value), value, flags)
    if verb == "T":
        return _kind(value)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if verb in "eEfFgG" and isinstance(value, float):
        return _signed(_float(verb, value, precision), value, flags)
    if verb in "dxXobc" and number and isinstance(value, int):
        shown = chr(value) if verb == "c" and 0 <= value < 0x110000 else format(value, verb)
        return _signed(shown, value, flags)
    if verb == "t" and isinstance(value, bool):
        return go_text(value)
    if not (number or isinstance(value, bool) or value is None):
        text = go_text(value)
        text = text if precision is None else text[:precision]
        if verb == "s":
            return text
        if verb == "q":
            return json.dumps(text, ensure_ascii=False)
        if verb in "xX":
            shown = text.encode("utf-8", "replace").hex()
            return shown if verb == "x" else shown.upper()
    return f"%!{verb}({_kind(value)}={go_text(value)})" if value is not None else f"%!{verb}(<nil>)"


def _float(verb: str, value: float, precision: int | None) -> str:
    special = _special(value)
    if special:
        return special
    if verb in "gG":
        shown = go_float(value) if precision is None else go_general(value, precision)
    elif verb in "fF" and abs(value) >= 1e22:  # Python's own is exact, too, but slow for huge precisions
        quantum = Decimal(1).scaleb(-(6 if precision is None else precision))
        shown = str(Decimal(value).quantize(quantum, ROUND_HALF_EVEN, Context(prec=2_000)))
    else:
        shown = f"{value:.{6 if precision is None else precision}{verb.lower()}}"
    return shown.upper() if verb.isupper() else shown


def _signed(text: str, value: Any, flags: str) -> str:
    positive = isinstance(value, int | float) and not isinstance(value, bool) and not text.startswith(("-", "+"))
    return f"{'+' if '+' in flags else ' '}{text}" if positive and ("+" in flags or " " in flags) else text


def _special(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return ("+Inf" if value > 0 else "-Inf") if math.isinf(value) else ""


def _exponent(sign: int, digits: Sequence[int], power: int) -> str:
    mantissa = str(digits[0]) + ("." + "".join(map(str, digits[1:])) if len(digits) > 1 else "")
    return f"{'-' if sign else ''}{mantissa}e{'-' if power < 0 else '+'}{abs(power):02d}"


def _kind(value: Any) -> str:
    """Go's name of a value's type."""
    if value is None:
        return "<nil>"
    names = {bool: "bool", int: "int", float: "float64", str: "string", datetime: "time.Time"}
    if type(value) in names:
        return names[type(value)]
    return "map[string]string" if isinstance(value, Mapping) else "[]interface {}"
