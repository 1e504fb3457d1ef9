"""Checkpoint files: the state of a follower, so that a start folds only the rest of the log.

A checkpoint is derived: deleting it is always safe, and one that does not fit in every
respect is ignored. Layout:

    a line of JSON      CheckpointHeader: of which log, up to which event, by which code
    the body            the state, in a form that its owner defines
    the last 32 bytes   BLAKE2b of everything before them

It is written beside the old one, synced, and replaces it in one rename.
"""

from __future__ import annotations

import gc
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from incidentwire import private_files
from incidentwire.log.cursor import event_digest
from incidentwire.log.event_log import EventLog
from incidentwire.log.log_position import LogPosition

FORMAT = 1
DIGEST_BYTES = 32
MAX_HEADER_BYTES = 1_000
_KERNEL = Path(__file__).parent.parent
# the code on which the incidents of any process rest; each process adds its own
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
    """The checkpoint cannot be used or written; the message says why."""


@dataclass(frozen=True, kw_only=True)
class CheckpointHeader:
    """Where a checkpoint belongs.

    `log`, `position` and `entry` are those of a LogPosition. `code` is the digest of the
    source files on which the state rests, so that nobody has to raise a version number.
    """

    log: str
    position: int
    entry: str
    code: str
    format: int = FORMAT

    @classmethod
    def of(cls, log: EventLog, position: int, code: str) -> CheckpointHeader:
        """Return the header at a position. Raises InvalidCheckpoint past the log's end."""
        entry = log.get(position)
        if entry is None:
            raise InvalidCheckpoint(
                f"the log ends at {log.last()}, before position {position}"
            )
        return cls(log=log.id, position=position, entry=event_digest(entry), code=code)


class HashingWriter:
    """A file for writing only, with the digest of what was written."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.digest = hashlib.blake2b(digest_size=DIGEST_BYTES)

    def write(self, data: bytes) -> int:
        """Write and hash the bytes."""
        self.digest.update(data)
        return self.file.write(data)


def source_digest(files: Iterable[Path]) -> str:
    """Return the SHA-256 of these files in their order, in hex."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def write(
    path: Path, header: CheckpointHeader, body: Callable[[HashingWriter], object]
) -> int:
    """Replace the checkpoint, and return its size in bytes. Raises OSError.

    `body` writes the state. The caller sees to it that there is one writer at a time.
    """

    def write_all(file: IO[bytes]) -> int:
        out = HashingWriter(file)
        out.write(json.dumps(asdict(header)).encode() + b"\n")
        body(out)
        file.write(out.digest.digest())
        return file.tell()

    with gc_paused():
        temporary = path.with_name(f"{path.name}.part")
        return private_files.write_whole(path, temporary, write_all)


def read(path: Path) -> tuple[dict[str, Any], memoryview]:
    """Return the unchecked header and the body. Raises InvalidCheckpoint and OSError."""
    data = memoryview(path.read_bytes())
    content = data[:-DIGEST_BYTES]
    digest = hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()
    if digest != data[-DIGEST_BYTES:]:
        raise InvalidCheckpoint("it is torn or damaged: its checksum does not match")
    try:
        start = bytes(content[:MAX_HEADER_BYTES]).index(b"\n") + 1
        header = json.loads(bytes(content[:start]))
    except ValueError as error:
        raise InvalidCheckpoint(f"it cannot be read: {error}") from error
    if not isinstance(header, dict) or not isinstance(header.get("position"), int):
        raise InvalidCheckpoint("its header has no position")
    return header, content[start:]


def check(header: dict[str, Any], log: EventLog, code: str) -> None:
    """Raise InvalidCheckpoint unless the checkpoint fits this log and this code."""
    if header.get("format") != FORMAT:
        raise InvalidCheckpoint(f"it has format {header.get('format')}, not {FORMAT}")
    if header.get("code") != code:
        raise InvalidCheckpoint("other code wrote it")
    held = LogPosition(
        log_id=str(header.get("log")),
        position=header["position"],
        event=str(header.get("entry")),
    )
    reason = held.mismatch(log)
    if reason:
        raise InvalidCheckpoint(reason)


@contextmanager
def gc_paused() -> Iterator[None]:
    """Pause the garbage collector.

    It would scan a million objects that all stay, again and again, and stop every thread
    meanwhile: a third to half of the time (measured at 100,000 incidents).
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
