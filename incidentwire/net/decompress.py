"""Undo `Content-Encoding` piece by piece, so that a bomb is noticed while it is small.
Pure.

urllib3 will not do: its zstd needs Python 3.14 or one more package, and it counts no
bytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import brotli
import zstandard

ACCEPTED = "gzip, deflate, br, zstd"  # in Accept-Encoding
MAX_LAYERS = 2  # more layers are an attack
OUTPUT_STEP = 65_536  # bytes; the most that one step of a decoder gives, except zstd
# Bytes; a block of 4 bytes gives 128 KiB at most, so that one step gives 8 MiB at most.
ZSTD_INPUT_STEP = 256
ZSTD_MAX_WINDOW = 8 * 2**20  # bytes; RFC 9659 allows no more in HTTP
# Sent by misconfigured servers without any coding; browsers read the body as it is.
NO_ENCODING = frozenset({"", "identity", "none", "binary", "8bit", "utf-8", "utf8"})


class EncodingError(Exception):
    """The body is not in its Content-Encoding, or that was not asked for."""


class Decoder(Protocol):
    """The decoder of one coding: feed it pieces in order, then finish."""

    def feed(self, data: bytes) -> Iterator[bytes]: ...

    def finish(self) -> None: ...


class _Zlib:
    """gzip (several members; junk after the last is ignored) and deflate (zlib, or raw
    as IIS sends it)."""

    def __init__(self, *, gzip: bool) -> None:
        self._gzip = gzip
        self._inflate: zlib._Decompress | None = None
        self._members = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        full = False
        # A full step may leave output behind although all input is used up.
        while data or full:
            if self._inflate is None:
                if self._members and not (self._gzip and data.startswith(b"\x1f")):
                    return
                self._inflate = zlib.decompressobj(self._window_bits(data))
            piece = self._inflate.decompress(data, OUTPUT_STEP)
            yield piece
            data = self._inflate.unconsumed_tail
            full = len(piece) == OUTPUT_STEP
            if self._inflate.eof:
                data = self._inflate.unused_data
                full = False
                self._inflate = None
                self._members = self._members + 1

    def finish(self) -> None:
        if self._inflate is not None:
            raise EncodingError("the compressed body is cut")

    def _window_bits(self, data: bytes) -> int:
        if self._gzip:
            return 16 + zlib.MAX_WBITS
        # RFC 1950: method 8 in the low four bits.
        return zlib.MAX_WBITS if data[0] & 0x0F == 8 else -zlib.MAX_WBITS


class _Brotli:
    def __init__(self) -> None:
        self._decompressor = brotli.Decompressor()

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._decompressor.is_finished():
            return
        yield self._decompressor.process(data, output_buffer_limit=OUTPUT_STEP)
        while not self._decompressor.can_accept_more_data():
            yield self._decompressor.process(b"", output_buffer_limit=OUTPUT_STEP)

    def finish(self) -> None:
        if not self._decompressor.is_finished():
            raise EncodingError("the compressed body is cut")


class _Zstd:
    """zstd, also of several frames."""

    def __init__(self) -> None:
        self._frame: zstandard.ZstdDecompressionObj | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), ZSTD_INPUT_STEP):
            rest = data[start : start + ZSTD_INPUT_STEP]
            while rest:
                if self._frame is None:
                    self._frame = zstandard.ZstdDecompressor(
                        max_window_size=ZSTD_MAX_WINDOW
                    ).decompressobj()
                yield self._frame.decompress(rest)
                rest = self._frame.unused_data if self._frame.eof else b""
                if self._frame.eof:
                    self._frame = None

    def finish(self) -> None:
        if self._frame is not None:
            raise EncodingError("the compressed body is cut")


DECODERS: dict[str, Callable[[], Decoder]] = {
    "gzip": lambda: _Zlib(gzip=True),
    "x-gzip": lambda: _Zlib(gzip=True),
    "deflate": lambda: _Zlib(gzip=False),
    "br": _Brotli,
    "zstd": _Zstd,
}


def decoded(pieces: Iterable[bytes], content_encoding: str) -> Iterator[bytes]:
    """Yield the decoded bytes of `pieces`, at most OUTPUT_STEP (zstd: 8 MiB) at a time.

    An empty body is empty in any encoding. Raises EncodingError, whose message has no
    words of the server.
    """
    names = [name.strip().lower() for name in content_encoding.split(",")]
    names = [name for name in names if name not in NO_ENCODING]
    if len(names) > MAX_LAYERS:
        raise EncodingError(f"{len(names)} content encodings on top of each other")
    for name in reversed(names):
        if name not in DECODERS:
            raise EncodingError("a content encoding that was not asked for")
        pieces = _through(DECODERS[name](), pieces)
    yield from pieces


def _through(decoder: Decoder, pieces: Iterable[bytes]) -> Iterator[bytes]:
    fed = False
    try:
        for piece in pieces:
            fed = fed or bool(piece)
            yield from decoder.feed(piece)
        if fed:
            decoder.finish()
    except (zlib.error, brotli.error, zstandard.ZstdError) as error:
        raise EncodingError(str(error)[:200]) from error
