"""The stored response headers of a page: the bytes as the server sent them. Pure.

Two forms are read: the raw header block, with its status line, and the JSON list of
[name, value] that earlier releases stored.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

Field = tuple[bytes, bytes]


@dataclass(frozen=True, kw_only=True)
class StoredHeaders:
    """The status line without line break, and the fields in the order they came."""

    status_line: bytes
    fields: Sequence[Field]

    @classmethod
    def from_bytes(cls, raw: bytes, status: int) -> StoredHeaders:
        """Read either stored form; `status` serves if there is no status line."""
        if raw.startswith(b"["):
            pairs = json.loads(raw)
            fields = [(_bytes(name), _bytes(value)) for name, value in pairs]
            return cls(status_line=_status_line(status), fields=fields)
        lines = [line.rstrip(b"\r") for line in raw.split(b"\n")]
        first = _status_line(status)
        if lines[0].startswith(b"HTTP/"):
            first = lines.pop(0)
        return cls(status_line=first, fields=_fields(lines))

    def get(self, name: str) -> str:
        """Return the first value of a field, "" without one; `name` in lower case."""
        for key, value in self.fields:
            if key.decode("latin-1").lower() == name:
                return value.decode("latin-1")
        return ""


def _fields(lines: Sequence[bytes]) -> list[Field]:
    """Return the fields of a header block; folded lines continue the one before."""
    found: list[Field] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and found:
            name, value = found[-1]
            found[-1] = (name, value + b" " + line.strip())
        elif b":" in line:
            name, _, value = line.partition(b":")
            found.append((name.strip(), value.strip()))
    return found


def _status_line(status: int) -> bytes:
    phrases = {int(known): known.phrase for known in HTTPStatus}
    return f"HTTP/1.1 {status} {phrases.get(status, '')}".encode()


def _bytes(text: object) -> bytes:
    """Return the bytes of a JSON header, which was decoded as latin-1 or UTF-8."""
    line = " ".join(str(text).split())
    try:
        return line.encode("latin-1")
    except UnicodeEncodeError:
        return line.encode("utf-8", "replace")
