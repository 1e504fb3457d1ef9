"""Snapshot files: what a follower made of the log so far, so that a start folds only the tail.

A snapshot is derived: deleting it is always safe, and one that does not fit in every respect is passed over. Layout:

    a line of JSON      Mark: of which log, up to where, made by which code
    the body            what its owner makes of its state
    the last 32 bytes   BLAKE2b of everything before them

It is written beside the old one, synced, and takes its place in one rename.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from incidentwire.log.event_log import EventLog

FORMAT = 1
DIGEST_BYTES = 32
_LONGEST_MARK = 1_000  # bytes
_KERNEL = Path(__file__).parent.parent
# The code on which the incidents of any process rest; each adds its own.
INCIDENTS_CODE = tuple(
    _KERNEL / f"{name}.py"
    for name in (
        "events",
        "log/codec",
        "labels",
        "incidents/item_labels",
        "incidents/state",
        "incidents/codec",
    )
)


class InvalidCheckpoint(Exception):
    """The snapshot cannot be used, or not be written; the message says why."""


@dataclass(frozen=True, kw_only=True)
class CheckpointHeader:
    """Where a snapshot belongs. `entry` is the digest of the log's entry at `position`, so that a log that was put
    back from a backup and grew otherwise is told apart even where it kept its id; `code` is that of the files on which
    the state rests, so that nobody has to remember to raise a number."""

    log: str
    position: int
    entry: str
    code: str
    format: int = FORMAT

    @classmethod
    def of(cls, log: EventLog, position: int, code: str) -> CheckpointHeader:
        """Return the header of a checkpoint at this position. Raises InvalidCheckpoint past the log's end."""
        entry = log.get(position)
        if entry is None:
            raise InvalidCheckpoint(
                f"it is at position {position}, where the log has nothing (it ends at {log.last()})"
            )
        told = json.dumps(
            [entry.type, entry.subject, entry.time_ms, entry.data]
        ).encode()
        return cls(
            log=log.id,
            position=position,
            entry=hashlib.sha256(told).hexdigest(),
            code=code,
        )


class HashingWriter:
    """A file that is only written to, and a digest of what was."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.digest = file, hashlib.blake2b(digest_size=DIGEST_BYTES)

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self.file.write(data)


def source_digest(files: Iterable[Path]) -> str:
    """The digest of these files, in their order."""
    found = hashlib.sha256()
    for path in files:
        found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def write(
    path: Path, mark: CheckpointHeader, body: Callable[[HashingWriter], object]
) -> int:
    """Put a snapshot in the place of the old one, whole or not at all, and return its size in bytes. `body` writes the
    state. One writer at a time, which the caller sees to. Raises OSError."""
    temporary = path.with_name(
        f"{path.name}.part"
    )  # what a crash left there is written over
    with temporary.open("wb") as file, gc_paused():
        out = HashingWriter(file)
        out.write(json.dumps(asdict(mark)).encode() + b"\n")
        body(out)
        file.write(out.digest.digest())
        file.flush()
        os.fsync(file.fileno())
        size = file.tell()
    os.replace(temporary, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return size


def read(path: Path) -> tuple[dict[str, Any], memoryview]:
    """Return the unchecked header and the body. Raises InvalidCheckpoint for a damaged file, and OSError."""
    data = memoryview(path.read_bytes())
    whole, digest = data[:-DIGEST_BYTES], data[-DIGEST_BYTES:]
    if hashlib.blake2b(whole, digest_size=DIGEST_BYTES).digest() != digest:
        raise InvalidCheckpoint("it is torn or damaged: its checksum does not agree")
    try:
        start = bytes(whole[:_LONGEST_MARK]).index(b"\n") + 1
        found = json.loads(bytes(whole[:start]))
    except ValueError as error:
        raise InvalidCheckpoint(f"it cannot be read: {error}") from error
    if not isinstance(found, dict) or not isinstance(found.get("position"), int):
        raise InvalidCheckpoint("its first line says nothing of it")
    return found, whole[start:]


def check(found: dict[str, Any], log: EventLog, code: str) -> None:
    """InvalidCheckpoint where the mark is not the one that a snapshot made now, there, would have."""
    if found.get("format") != FORMAT:
        raise InvalidCheckpoint(f"it has format {found.get('format')}, not {FORMAT}")
    if found.get("log") != log.id:
        raise InvalidCheckpoint("it is of another log")
    wanted = asdict(CheckpointHeader.of(log, found["position"], code))
    for name, why in (
        ("code", "other code made it"),
        ("entry", "the log has another entry at its position"),
    ):
        if found.get(name) != wanted[name]:
            raise InvalidCheckpoint(why)


@contextmanager
def gc_paused() -> Iterator[None]:
    """Without the garbage collector, which would look through a million objects that all stay again and again, and hold
    up every thread meanwhile: a third to half of the time (measured at 100,000 incidents)."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
