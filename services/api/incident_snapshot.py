"""The incidents in one file beside the read model, so that a start folds only the tail of the log.

The projector writes it, web processes read it too. It is derived: deleting it is always safe, and one that does not fit
in every respect is passed over. Layout:

    a line of JSON      Stamp: of which log, up to where, made by which code
    a zstd frame        see incident_packing.py
    the last 32 bytes   BLAKE2b of everything before them

It is written beside the old one, synced, and takes its place in one rename.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any

import redis

from incidentwire.log import PAGE, Log
from incidentwire.telemetry import event_line
from services.api.incident_folding import Happenings
from services.api.incident_packing import CannotUnpack, pack, unpack
from services.api.reader import Run, run_here

NAME = "incidents.snapshot"
FORMAT = 1
EVERY = 5_000  # events folded since the last one
EVERY_SHARE = 20  # … or a 20th of the log, whichever is more: so all writing together stays in proportion to the log
DIGEST_BYTES = 32

_LONGEST_MARK = 1_000  # bytes
ROOT = Path(__file__).parents[2]
MADE_BY = (  # the code on which the state rests
    "incidentwire/events.py", "incidentwire/event_codec.py", "incidentwire/labels.py",
    "incidentwire/effective_labels.py", "incidentwire/incidents.py", "incidentwire/incident_state.py",
    "services/api/incident_folding.py", "services/api/incident_packing.py",
)  # fmt: skip

logger = logging.getLogger(__name__)


class Unusable(Exception):
    """The snapshot cannot be used; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Where a snapshot belongs. `entry` is the digest of the log's entry at `position`, so that a log that was put back
    from a backup and grew otherwise is told apart even where it kept its id; `code` is that of the files on which the
    state rests, so that nobody has to remember to raise a number."""

    log: str
    position: int
    entry: str
    code: str
    format: int = FORMAT

    @classmethod
    def of(cls, log: Log, position: int) -> Mark:
        """The mark that a snapshot at this position must have now. Unusable where the log ends before."""
        entry = log.at(position)
        if entry is None:
            raise Unusable(f"it is at position {position}, where the log has nothing (it ends at {log.last()})")
        told = json.dumps([entry.type, entry.subject, entry.time_ms, entry.data]).encode()
        return cls(log=log.id, position=position, entry=hashlib.sha256(told).hexdigest(), code=code())


class Snapshots:
    """The snapshot at a path. One process writes (the projector holds a lock), any number read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.saved_at = 0  # position of what this process wrote or read last
        self._writing: Thread | None = None

    def load(self, log: Log, most: int, run: Run = run_here) -> Happenings | None:
        """What the snapshot holds, if it fits this log and this code and goes no further than `most`; else None, and a
        log line that says why. `run` executes what takes long."""
        try:
            found, packed = _read(self.path)
            if found.get("position", 0) > most:
                return None  # of use later, or for another question
            _check(found, log)
            happenings: Happenings = run(unpack, (packed,))
        except FileNotFoundError:
            logger.info(event_line("no snapshot of incidents", path=self.path))
            return None
        except (Unusable, CannotUnpack, OSError) as error:
            logger.warning(event_line("snapshot of incidents ignored", path=self.path, why=error))
            return None
        self.saved_at = happenings.position
        logger.info(event_line("snapshot of incidents read", position=happenings.position))
        return happenings

    def save_when_due(self, log: Log, log_id: str, happenings: Happenings) -> None:
        """Write beside what goes on, where much was folded since the last one. `log_id` is of the log that was folded.
        Copying takes no time worth mention, since all values are immutable."""
        is_due = self._since(happenings) >= max(EVERY, happenings.position // EVERY_SHARE)
        if is_due and not (self._writing and self._writing.is_alive()):
            self._start(log, log_id, happenings)

    def save(self, log: Log, log_id: str, happenings: Happenings) -> None:
        """Write where anything was folded since the last one, and return when that is done."""
        self.wait()
        if self._since(happenings):
            self._start(log, log_id, happenings)
            self.wait()

    def wait(self) -> None:
        """Return when nothing is being written."""
        if self._writing is not None:
            self._writing.join()

    def _since(self, happenings: Happenings) -> int:
        """Events since the last one; all of them where that was of another log, which was longer."""
        return happenings.position - (self.saved_at if self.saved_at <= happenings.position else 0)

    def _start(self, log: Log, log_id: str, happenings: Happenings) -> None:
        self.saved_at = happenings.position  # also where it fails: a full disk is not to be asked after every event
        try:
            mark = Mark.of(log, happenings.position)
            if mark.log != log_id:
                raise Unusable("the log is another one by now")
        except (Unusable, redis.exceptions.RedisError) as error:
            logger.warning(event_line("snapshot of incidents not written", path=self.path, why=error))
            return
        self._writing = Thread(target=_write, args=(self.path, mark, happenings.copy()), name="snapshot", daemon=True)
        self._writing.start()


# -- the file ------------------------------------------------------------------------------------------------------


def _write(path: Path, mark: Mark, happenings: Happenings) -> None:
    """Put a snapshot in the place of the old one, whole or not at all. What goes wrong is logged, no more."""
    temporary = path.with_name(f"{path.name}.part")  # what a crash left there is written over
    data = json.dumps(dataclasses.asdict(mark)).encode() + b"\n" + pack(happenings)
    data += hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        logger.warning(event_line("snapshot of incidents not written", path=path, why=error))
        return
    logger.info(event_line("snapshot of incidents written", position=mark.position, bytes=len(data)))


def _read(path: Path) -> tuple[dict[str, Any], memoryview]:
    """The mark and what is packed. Unusable where the file is damaged."""
    data = memoryview(path.read_bytes())
    body, digest = data[:-DIGEST_BYTES], data[-DIGEST_BYTES:]
    if hashlib.blake2b(body, digest_size=DIGEST_BYTES).digest() != digest:
        raise Unusable("it is torn or damaged: its checksum does not agree")
    try:
        start = body[:_LONGEST_MARK].tobytes().index(b"\n") + 1
        found = json.loads(body[:start].tobytes())
    except ValueError as error:
        raise Unusable(f"it cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise Unusable("its first line says nothing of it")
    return found, body[start:]


def _check(found: dict[str, Any], log: Log) -> None:
    """Unusable where the mark is not the one that a snapshot made now, there, would have."""
    if found.get("format") != FORMAT:
        raise Unusable(f"it has format {found.get('format')}, not {FORMAT}")
    if found["log"] != log.id:
        raise Unusable("it is of another log")
    wanted = dataclasses.asdict(Mark.of(log, found["position"]))
    for name, why in (("code", "other code made it"), ("entry", "the log has another entry at its position")):
        if found[name] != wanted[name]:
            raise Unusable(why)


@cache
def code() -> str:
    found = hashlib.sha256()
    for name in MADE_BY:
        found.update(hashlib.sha256((ROOT / name).read_bytes()).digest())
    return found.hexdigest()


def fold_until(happenings: Happenings, log: Log, position: int) -> None:
    """Fold what comes up to this position, which must be in the log, and nothing behind it."""
    while happenings.position < position:
        batch = log.after(happenings.position, min(PAGE, position - happenings.position))
        if not batch:
            raise ValueError(f"the log ends at {happenings.position}, before {position}")
        happenings.fold(batch)
    happenings.clear()
