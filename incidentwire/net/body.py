"""Read the body of a response piece by piece, within limits on its size."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

import requests

from incidentwire.net.decompress import EncodingError, decoded
from incidentwire.net.request import OutboundError

READ_STEP = 65_536  # bytes
LARGE_BYTES = 512 * 1024  # bodies over this count as large


def raw_pieces(response: requests.Response) -> Iterator[bytes]:
    """Yield the body as sent, in pieces of at most READ_STEP.

    Raises EncodingError for a transfer coding that http.client does not undo, as gzip.
    """
    coding = response.headers.get("transfer-encoding", "").strip().lower()
    if coding not in ("", "identity", "chunked"):
        raise EncodingError("a transfer coding that was not asked for")
    while piece := response.raw.read1(READ_STEP, decode_content=False):
        yield piece


def read_limited(
    pieces: Iterator[bytes],
    max_bytes: int,
    headers: Mapping[str, str],
    admit_large: Callable[[], None],
) -> bytes:
    """Decode and join the pieces of a body. Gives up as soon as it is too large, packed
    or unpacked."""
    too_large = OutboundError(
        "too_large", f"the body is larger than {max_bytes:,} bytes"
    )
    length = headers.get("content-length", "")
    if re.fullmatch(r"[0-9]{1,18}", length) and int(length) > max_bytes:
        raise too_large

    def counted() -> Iterator[bytes]:
        packed = 0
        for piece in pieces:
            packed += len(piece)
            if packed > max_bytes:
                raise too_large
            yield piece

    body = bytearray()
    for piece in decoded(counted(), headers.get("content-encoding", "")):
        body += piece
        if len(body) > max_bytes:
            raise too_large
        if len(body) > LARGE_BYTES:
            admit_large()
    return bytes(body)
