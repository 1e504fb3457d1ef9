"""IncidentProjection as bytes and back, equal to the original. Pure.

A zstd frame of lines of JSON, each [name, part of the value of this name]. No pickled
object is stored, and json holds the interpreter lock for some milliseconds at a time only.
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
from incidentwire.log.checkpoint import InvalidCheckpoint
from services.api.read_model.incident_state import IncidentProjection, RevisionStamp

PART = 2_000  # entries a line

_STAMP = [field.name for field in dataclasses.fields(RevisionStamp)]


def pack(incidents: IncidentProjection) -> bytes:
    """Return the incidents as bytes."""
    packer = zstandard.ZstdCompressor().compressobj()
    packed = [packer.compress(line) for line in _lines(incidents)]
    return b"".join([*packed, packer.flush()])


def _lines(incidents: IncidentProjection) -> Iterator[bytes]:
    values = {
        "position": incidents.position,
        "linked": incidents.linked.tolist(),
        "stamps": {
            name: dataclasses.astuple(stamp) for name, stamp in incidents.stamps.items()
        },
        **codec.dump(incidents.state),
    }
    for name, value in values.items():
        for part in _parts(value):
            yield json.dumps([name, part], separators=(",", ":")).encode() + b"\n"


def _parts(value: Any) -> Iterator[Any]:
    if not isinstance(value, dict | list):
        yield value
        return
    yield type(value)()  # so that an empty value is stored too
    rest = iter(value.items() if isinstance(value, dict) else value)
    while part := type(value)(islice(rest, PART)):
        yield part


def unpack(packed: memoryview) -> IncidentProjection:
    """Return what was packed. Raises InvalidCheckpoint for other bytes."""
    try:
        return _projection(packed)
    except (*codec.DECODE_ERRORS, zstandard.ZstdError) as error:
        raise InvalidCheckpoint(f"it cannot be read: {error}") from error


def _projection(packed: memoryview) -> IncidentProjection:
    values: dict[str, Any] = {}
    for line in (
        zstandard.ZstdDecompressor().decompressobj().decompress(packed).splitlines()
    ):
        name, part = json.loads(line)
        match values.setdefault(name, part):
            case dict() as whole:
                whole.update(part)
            case list() as whole if whole is not part:
                whole.extend(part)
    made = IncidentProjection()
    made.position = values["position"]
    made.linked = array("Q", values["linked"])
    made.stamps = {name: _stamp(row) for name, row in values["stamps"].items()}
    made.state = codec.load(values)
    return made


def _stamp(row: list[Any]) -> RevisionStamp:
    *numbers, elsewhere = row
    return RevisionStamp(
        **dict(zip(_STAMP, numbers, strict=False)), related_positions=tuple(elsewhere)
    )
