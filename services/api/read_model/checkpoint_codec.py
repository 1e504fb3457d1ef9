"""IncidentProjection as bytes and back: what comes back equals what went. Pure.

A zstd frame of lines of JSON, each [name, part of what has this name]: no object of ours is stored, so none can be
smuggled in, and json holds the interpreter's lock for some milliseconds at a time only.
"""

from __future__ import annotations

import dataclasses
import json
from array import array
from collections.abc import Iterator
from itertools import islice
from typing import Any

import zstandard

from incidentwire.incidents import codec
from services.api.read_model.incident_state import IncidentProjection, RevisionStamp

PART = 2_000  # entries a line

_STAMP = [field.name for field in dataclasses.fields(RevisionStamp)]


class InvalidCheckpointBody(Exception):
    """These are not the bytes of IncidentProjection; the message says why."""


def pack(happenings: IncidentProjection) -> bytes:
    packer = zstandard.ZstdCompressor().compressobj()
    packed = [packer.compress(line) for line in _lines(happenings)]
    return b"".join([*packed, packer.flush()])


def _lines(happenings: IncidentProjection) -> Iterator[bytes]:
    said = {
        "position": happenings.position,
        "linked": happenings.linked.tolist(),
        "stamps": {
            name: dataclasses.astuple(stamp)
            for name, stamp in happenings.stamps.items()
        },
        **codec.dump(happenings.state),
    }
    for name, value in said.items():
        for part in _parts(value):
            yield json.dumps([name, part], separators=(",", ":")).encode() + b"\n"


def _parts(value: Any) -> Iterator[Any]:
    if not isinstance(value, dict | list):
        yield value
        return
    yield type(value)()  # so that what is empty is there too
    rest = iter(value.items() if isinstance(value, dict) else value)
    while part := type(value)(islice(rest, PART)):
        yield part


def unpack(packed: memoryview) -> IncidentProjection:
    """What was packed. CannotUnpack for anything else."""
    try:
        return _happenings(packed)
    except (*codec.DECODE_ERRORS, zstandard.ZstdError) as error:
        raise InvalidCheckpointBody(f"it cannot be read: {error}") from error


def _happenings(packed: memoryview) -> IncidentProjection:
    said: dict[str, Any] = {}
    for line in (
        zstandard.ZstdDecompressor().decompressobj().decompress(packed).splitlines()
    ):
        name, part = json.loads(line)
        match said.setdefault(name, part):
            case dict() as whole:
                whole.update(part)
            case list() as whole if whole is not part:
                whole.extend(part)
    made = IncidentProjection()
    made.position = said["position"]
    made.linked = array("Q", said["linked"])
    made.stamps = {name: _stamp(row) for name, row in said["stamps"].items()}
    made.state = codec.load(said)
    return made


def _stamp(row: list[Any]) -> RevisionStamp:
    *numbers, elsewhere = row
    return RevisionStamp(
        **dict(zip(_STAMP, numbers, strict=False)), related_positions=tuple(elsewhere)
    )
