"""The linker's snapshot: what it knows, in one file, so that a start folds only the tail of the log.

The file is derived: deleting it is always safe, and one that does not fit in every respect is passed over. Layout:

    a line of JSON      Stamp: of which log, up to where, made by which code
    a zstd stream       NumPy arrays (.npy, one after another); the first one is UTF-8 JSON and names the others
    the last 32 bytes   BLAKE2b of everything before them

It is written beside the old one, synced, and takes its place in one rename. Two linkers started by mistake take turns
by a lock on a file beside it; the system frees the lock of one that dies.
"""

from __future__ import annotations

import dataclasses
import fcntl
import gc
import hashlib
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import zstandard

from incidentwire.log import Log
from incidentwire.telemetry import event_line
from services.classifier.linking.folded import Folded

FORMAT = 1
EVERY = 5_000  # events folded since the last one
EVERY_SHARE = 8  # … or an eighth of the log, whichever is more: so all writing stays in proportion to the folding
LEVEL = 1  # measured at 100,000 incidents: level 3 saves 3 % at twice the time
DIGEST_BYTES = 32
NAME = "snapshot"

# The code on which the state rests: all of linking/, and what is folded and how.
_RESTS_ON = ("services/classifier/linker.py", *(f"incidentwire/{name}.py" for name in (
    "events", "event_codec", "labels", "effective_labels", "incidents", "incident_state",
)))  # fmt: skip
_LONGEST_STAMP = 1_000  # bytes

logger = logging.getLogger(__name__)


class Unusable(Exception):
    """The snapshot cannot be used; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """Where a snapshot belongs. `entry` is the digest of the log's entry at `position`, so that a log that was put
    back from a backup and grew otherwise is told apart even where it kept its id; `code` is that of the files on which
    the state rests, so that nobody has to remember to raise a number."""

    log: str
    position: int
    entry: str
    code: str
    format: int = FORMAT

    @classmethod
    def of(cls, log: Log, position: int) -> Stamp:
        """The stamp that a snapshot at this position of this log must have now. Unusable where the log ends before."""
        entry = log.at(position)
        if entry is None:
            raise Unusable(f"it is at position {position}, where the log has nothing (it ends at {log.last()})")
        told = json.dumps([entry.type, entry.subject, entry.time_ms, entry.data]).encode()
        return cls(log=log.id, position=position, entry=hashlib.sha256(told).hexdigest(), code=_code())


class Snapshots:
    """The snapshot in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / NAME
        self.saved_at = 0  # position of what this process wrote or read last

    def load(self, log: Log) -> Folded | None:
        """What the snapshot holds, if it fits this log and this code; else None, and a log line that says why."""
        try:
            folded = read(self.path, log)
        except FileNotFoundError:
            logger.info(event_line("no snapshot", path=self.path))
            return None
        except (Unusable, OSError) as error:
            logger.warning(event_line("snapshot ignored", path=self.path, why=error))
            return None
        self.saved_at = folded.position
        return folded

    def is_due(self, position: int) -> bool:
        return position - self.saved_at >= max(EVERY, position // EVERY_SHARE)

    def save(self, log: Log, folded: Folded) -> None:
        """Write, where anything was folded since the last one. What goes wrong is logged: the linker can do without."""
        if folded.position == self.saved_at:
            return
        self.saved_at = folded.position  # also where it fails: a full disk is not to be asked after every event
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with _alone(self.folder / f"{NAME}.lock"):
                size = write(self.path, Stamp.of(log, folded.position), folded)
        except (Unusable, OSError) as error:
            logger.warning(event_line("snapshot not written", path=self.path, why=error))
            return
        logger.info(event_line("snapshot written", position=folded.position, bytes=size))


def write(path: Path, stamp: Stamp, folded: Folded) -> int:
    """Put a snapshot in the place of the old one, whole or not at all, and return its size in bytes. One at a time."""
    temporary = path.with_name(f"{path.name}.part")  # what a crash left there is written over
    with temporary.open("wb") as file, _uncollected():
        digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
        out = _Digesting(file, digest)
        out.write(json.dumps(dataclasses.asdict(stamp)).encode() + b"\n")
        with zstandard.ZstdCompressor(level=LEVEL).stream_writer(out, closefd=False) as packed:  # type: ignore[arg-type]
            for array in folded.arrays():
                np.lib.format.write_array(packed, array, allow_pickle=False)
        file.write(digest.digest())
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


def read(path: Path, log: Log) -> Folded:
    """What the snapshot at `path` holds. Raises Unusable where it is damaged, or not this log's and this code's."""
    data = memoryview(path.read_bytes())
    body, digest = data[:-DIGEST_BYTES], data[-DIGEST_BYTES:]
    if hashlib.blake2b(body, digest_size=DIGEST_BYTES).digest() != digest:
        raise Unusable("it is torn or damaged: its checksum does not agree")
    try:
        start = bytes(body[:_LONGEST_STAMP]).index(b"\n") + 1
        _check(json.loads(bytes(body[:start])), log)
        with zstandard.ZstdDecompressor().stream_reader(body[start:]) as stream, _uncollected():
            return Folded.of(partial(np.lib.format.read_array, stream, allow_pickle=False))
    except (ValueError, TypeError, LookupError, AttributeError, zstandard.ZstdError) as error:
        raise Unusable(f"it cannot be read: {error}") from error


def _check(found: dict[str, Any], log: Log) -> None:
    """Unusable where the stamp is not the one that a snapshot made now, there, would have."""
    if found.get("format") != FORMAT:
        raise Unusable(f"it has format {found.get('format')}, not {FORMAT}")
    if found["log"] != log.id:
        raise Unusable("it is of another log")
    wanted = dataclasses.asdict(Stamp.of(log, found["position"]))
    for name, why in (("code", "other code made it"), ("entry", "the log has another entry at its position")):
        if found[name] != wanted[name]:
            raise Unusable(why)


@cache
def _code() -> str:
    here = Path(__file__).parent
    found = hashlib.sha256()
    for path in (*sorted(here.glob("*.py")), *(here.parents[2] / name for name in _RESTS_ON)):
        found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


class _Digesting:
    """A file that is only written to, and a digest of what was."""

    def __init__(self, file: IO[bytes], digest: hashlib.blake2b) -> None:
        self.file, self.digest = file, digest

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self.file.write(data)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Hold the lock, or raise Unusable at once where another process does."""
    with lock.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unusable("another linker is writing one: is there one too many?") from None
        yield


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the garbage collector, which would look through a million objects that all stay again and again: that is
    half of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
