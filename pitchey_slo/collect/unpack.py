"""Compressed bodies -> bytes, never more than a limit of them.

The limit counts what comes out, while it comes out: a gigabyte of zeros is 1 MB of gzip and 32 KB of zstd. A frame's
own word about its size is not asked.
"""

from __future__ import annotations

import zlib
from typing import Final

import zstandard

from pitchey_slo.errors import BodyTooLarge, CollectError, UnknownFormat

STEP: Final = 1 << 20
BITE: Final = 512  # of zstd: 4 bytes can become 128 KiB, so one bite becomes 16 MiB at the most
ENCODINGS: Final = ("identity", "gzip", "zstd")


def unpack(body: bytes, encoding: str | None, limit: int) -> bytes:
    """`body` without its `Content-Encoding` (identity, gzip or zstd; exactly one).

    Raises BodyTooLarge beyond `limit` bytes, UnknownFormat for another encoding or several, CollectError for damage.
    """
    name = (encoding or "identity").strip().lower()
    name = {"": "identity", "x-gzip": "gzip"}.get(name, name)
    if name not in ENCODINGS:
        several = "one encoding only, " if "," in name else ""
        raise UnknownFormat(f"Content-Encoding {encoding!r}: {several}one of {', '.join(ENCODINGS)}")
    if name == "gzip":
        return _gunzip(body, limit)
    if name == "zstd":
        return _unzstd(body, limit)
    if len(body) > limit:
        raise too_large(limit)
    return body


def too_large(limit: int, what: str = "the body") -> BodyTooLarge:
    return BodyTooLarge(f"{what} is more than {limit:,} bytes after decompression; send it in several parts")


def _gunzip(body: bytes, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    rest = body
    while rest:  # one file may hold several members
        unzip = zlib.decompressobj(wbits=31)
        while not unzip.eof:
            try:
                part = unzip.decompress(rest, min(STEP, limit - size + 1))
            except zlib.error as error:
                raise CollectError(f"the body is not gzip: {error}") from None
            rest = unzip.unconsumed_tail
            size += len(part)
            if size > limit:
                raise too_large(limit)
            parts.append(part)
            if not part and not rest and not unzip.eof:
                raise CollectError("the gzip body ends too early; was it cut off?")
        rest = unzip.unused_data.lstrip(b"\0")  # padding, as gunzip allows
    if not body:
        raise CollectError("the gzip body is empty")
    return b"".join(parts)


def _unzstd(body: bytes, limit: int) -> bytes:
    # a single-segment frame has a window as large as its content, while `zstd --long` asks for up to 2 GiB of memory
    window = max(1 << 23, 1 << max(limit - 1, 1).bit_length())
    frames = zstandard.ZstdDecompressor(max_window_size=min(window, 1 << 31))
    parts: list[bytes] = []
    size = place = 0
    unzip = frames.decompressobj()
    try:
        while place < len(body):
            if unzip.eof:  # one body may hold several frames
                unzip = frames.decompressobj()
            bite = body[place : place + BITE]
            part = unzip.decompress(bite)
            place += len(bite) - len(unzip.unused_data)
            size += len(part)
            if size > limit:
                raise too_large(limit)
            parts.append(part)
    except zstandard.ZstdError as error:
        raise CollectError(f"the body is not zstd: {error}") from None
    if not unzip.eof:  # a stream reader would end here without a word
        raise CollectError("the zstd body ends too early; was it cut off?")
    return b"".join(parts)
