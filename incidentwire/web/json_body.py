"""Request bodies: JSON read strictly, gzip undone, both within limits.

One reader for both services, so that a body means the same thing everywhere.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import re
import zlib
from typing import IO, Any, NoReturn, cast

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge

from incidentwire.web.problems import FieldError, Problem, invalid_fields

MAX_JSON_BYTES = 8_000_000  # a text of a million characters, escaped
MAX_MEMBERS = 1_000  # of one JSON object
MAX_VALUES = 10_000  # of one body; counted first: parsing a million takes a second
MAX_DEPTH = 200  # the parser's own limit differs between Python releases
MAX_DIGITS = 30  # of one number; a position has 16
MAX_KEY_CHARACTERS = 100  # of a key that is repeated in a message
READ_BYTES = 65_536

TOO_DEEP = "The JSON is nested too deeply. Send flat objects."
NOT_UTF8 = "The body is not UTF-8. Encode the JSON as UTF-8."
DUPLICATE = "Appears more than once in one object. Send it once."
NO_NUMBER = "NaN and Infinity are not JSON. Send a number or null."
ENCODINGS = "gzip, identity"
# A string, or a character that begins a value or ends one.
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[,\[{\]}]', re.DOTALL)


def parse(raw: bytes, max_values: int = MAX_VALUES) -> Any:
    """Return the JSON value of a body in UTF-8 (UTF-16 and byte order marks are read).

    Raises Problem 400 for malformed JSON, more than `max_values` values or more than
    MAX_DEPTH levels, and 422 for duplicate keys, NaN, Infinity, numbers of more than
    MAX_DIGITS digits, and objects of more than MAX_MEMBERS keys.
    """
    try:
        text = raw.decode(json.detect_encoding(raw))
        _check_values(text, max_values)
        return _DECODER.decode(text)
    except RecursionError:
        raise malformed(TOO_DEEP) from None
    except UnicodeDecodeError:
        raise malformed(NOT_UTF8) from None
    except ValueError as error:
        raise malformed(f"The body is not JSON: {error}.") from None


def _check_values(text: str, most: int) -> None:
    """Count values and levels without parsing.

    A value has at most two strings, a mark that begins it and one that ends it. Raises
    Problem 400.
    """
    marks = 0
    depth = 0
    deepest = 0
    for count, found in enumerate(_TOKEN.finditer(text)):
        first = text[found.start()]
        if first in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif first in "]}":
            depth -= 1
        marks += first in "[{,"
        if marks > most or count > 4 * most:
            raise malformed(too_many(most))
    if deepest > MAX_DEPTH:
        raise malformed(TOO_DEEP)


def too_many(max_values: int) -> str:
    """Return what is wrong with a body of more values."""
    return f"The JSON has more than {max_values} values. Send one flat object."


def malformed(detail: str) -> Problem:
    """Return the problem of a body that is not JSON."""
    return Problem(status=400, slug="malformed-json", detail=detail)


def read_json(request: Request) -> Any:
    """Return the JSON value of the request's body.

    Raises the problems of `parse` and `body_stream`.
    """
    with body_stream(request, MAX_JSON_BYTES) as body:
        return parse(body.read())


def body_stream(request: Request, max_bytes: int) -> IO[bytes]:
    """Return the body, decompressed while it is read; at most `max_bytes` of it.

    Raises Problem 415 for a Content-Encoding other than gzip; reading raises 413 for
    a longer body and 400 for damaged gzip.
    """
    length = request.content_length
    if length is not None and length > max_bytes:
        raise too_large(max_bytes)
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise Problem(
            status=415,
            slug="unsupported-content-encoding",
            detail="The Content-Encoding is not supported. Send gzip or none.",
            headers={"Accept-Encoding": ENCODINGS},
        )
    request.max_content_length = max_bytes
    stream = request.stream
    if encoding in ("gzip", "x-gzip"):
        stream = cast("IO[bytes]", gzip.GzipFile(fileobj=stream, mode="rb"))
    limited = _Limited(stream, max_bytes)
    return cast("IO[bytes]", io.BufferedReader(limited, READ_BYTES))


class _Limited(io.RawIOBase):
    """A readable stream that raises Problem 413 past `left` bytes."""

    def __init__(self, stream: IO[bytes], max_bytes: int) -> None:
        self.stream = stream
        self.max_bytes = max_bytes
        self.left = max_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self.stream.read(len(buffer))
        except RequestEntityTooLarge:
            raise too_large(self.max_bytes) from None
        except (gzip.BadGzipFile, EOFError, zlib.error):
            raise Problem(
                status=400,
                slug="malformed-gzip",
                detail="The body is not valid gzip. Compress it again, or send it plain.",
            ) from None
        self.left -= len(data)
        if self.left < 0:
            raise too_large(self.max_bytes)
        buffer[: len(data)] = data
        return len(data)


def too_large(max_bytes: int) -> Problem:
    """Return the problem of a body of more than `max_bytes`."""
    return Problem(
        status=413,
        slug="body-too-large",
        detail=f"The body is larger than {max_bytes} bytes. Send less at once.",
    )


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MAX_MEMBERS:
        message = f"The object has more than {MAX_MEMBERS} keys. Send only known ones."
        _refuse("(body)", message)
    members = dict(pairs)
    if len(members) < len(pairs):
        _refuse(_first_duplicate(pairs), DUPLICATE)
    return members


def _first_duplicate(pairs: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            return key[:MAX_KEY_CHARACTERS]
        seen.add(key)
    return "(body)"


def _integer(text: str) -> int:
    _check_digits(text)
    return int(text)


def _float(text: str) -> float:
    _check_digits(text)
    value = float(text)
    if math.isinf(value):
        _refuse("(body)", NO_NUMBER)
    return value


def _check_digits(text: str) -> None:
    if len(text) > MAX_DIGITS:
        message = f"A number has more than {MAX_DIGITS} digits. Send a shorter one."
        _refuse("(body)", message)


def _constant(text: str) -> NoReturn:
    _refuse("(body)", NO_NUMBER)


def _refuse(field: str, message: str) -> NoReturn:
    raise invalid_fields([FieldError(field=field, message=message)])


# json.loads would build one for each line of a bulk body
_DECODER = json.JSONDecoder(
    object_pairs_hook=_members,
    parse_int=_integer,
    parse_float=_float,
    parse_constant=_constant,
)
