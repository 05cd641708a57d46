"""What the sender is told, in the encoding it sent.

    Export...ServiceResponse   1 partial_success
    Export...PartialSuccess    1 rejected_log_records | rejected_spans | rejected_data_points   2 error_message
    google.rpc.Status          1 code   2 message

Three fields need no library. Source: OTLP specification 1.x, "OTLP/HTTP Response"; codes from google/rpc/code.proto.
"""

from __future__ import annotations

from typing import Final

import orjson

JSON: Final = "application/json"
PROTOBUF: Final = "application/x-protobuf"

#: HTTP status -> google.rpc.Code
CODES: Final = {400: 3, 401: 16, 403: 7, 413: 3, 415: 3, 429: 8, 503: 14}
_UNKNOWN: Final = 2
_REJECTED: Final = {"logs": "rejectedLogRecords", "traces": "rejectedSpans", "metrics": "rejectedDataPoints"}
#: Bytes of a message; a Collector logs all of it.
_LONGEST: Final = 1_000


def response(signal: str, rejected: int, message: str, media: str) -> bytes:
    """An Export...ServiceResponse. Without rejected records and without a message it is an empty one: all is well."""
    message = _short(message)
    if media == JSON:
        told = {**({_REJECTED[signal]: str(rejected)} if rejected else {}), "errorMessage": message}
        return orjson.dumps({"partialSuccess": told} if rejected or message else {})
    inner = (b"\x08" + _varint(rejected) if rejected else b"") + _field(2, message.encode())
    return _field(1, inner)


def status(http_status: int, message: str, media: str) -> bytes:
    """A google.rpc.Status."""
    code, message = CODES.get(http_status, _UNKNOWN), _short(message)
    if media == JSON:
        return orjson.dumps({"code": code, "message": message})
    return b"\x08" + _varint(code) + _field(2, message.encode())


def _short(message: str) -> str:
    """A message may quote what was sent: half of a surrogate pair cannot be sent back."""
    text = message.encode("utf-8", "replace").decode()
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _field(number: int, raw: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(raw)) + raw if raw else b""


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
